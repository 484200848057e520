"""A checkpoint: everything that a killed run needs to end in the same picture."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from keras_style.errors import CheckpointError
from keras_style.internal import directories, saved_state
from keras_style.internal.paths import user_path

FILE = "checkpoint.npz"


@dataclass(frozen=True)
class State:
    """State of a run over scales.

    Attributes:
        stage: index of the scale; the number of scales when all are done.
        step: steps done in that scale.
        image: (H, W, 3): the image being optimized, margin included; with step 0, the result of the scale before.
        optimizer: the optimizer's variables.
        history: values of every step so far.
    """

    stage: int
    step: int
    image: np.ndarray
    optimizer: Sequence[np.ndarray] = ()
    history: Mapping[str, list[float]] = field(default_factory=dict)


class Checkpoint:
    """One file in a directory of its own, replaced atomically.

    Args:
        directory: made if it does not exist, with its parents.
        arguments: what the picture depends on, as JSON values; a checkpoint with other ones is refused.
    """

    def __init__(self, directory: str | Path, arguments: Mapping[str, Any]):
        directory = user_path(directory)
        self.path = directory / FILE
        self.arguments = json.loads(json.dumps(arguments))
        directories.make(directory, "checkpoint", CheckpointError)

    def load(self) -> State | None:
        """The saved state; None if nothing was saved yet.

        Raises:
            CheckpointError: the file is damaged, or was made with other arguments.
        """
        if not self.path.exists():
            return None
        with saved_state.reading(self.path, "a checkpoint") as (about, file):
            arguments = about["arguments"]
            slots = [file[f"optimizer_{index}"] for index in range(about["slots"])]
            state = State(about["stage"], about["step"], file["image"], slots, about["history"])
        if different := saved_state.differences(arguments, self.arguments):
            raise CheckpointError(
                f"{self.path.parent} holds a checkpoint of other arguments: {'; '.join(different)}. "
                "Use the same ones, or another directory"
            )
        return state

    def save(self, state: State) -> None:
        """Replace the file by this state.

        Raises:
            CheckpointError: it cannot be written.
        """
        about = {
            "arguments": self.arguments,
            "stage": state.stage,
            "step": state.step,
            "slots": len(state.optimizer),
            "history": state.history,
        }
        slots = {f"optimizer_{index}": value for index, value in enumerate(state.optimizer)}
        saved_state.write(self.path, about, {"image": state.image, **slots})
