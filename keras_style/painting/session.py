"""Execution of a prepared run: progress, callbacks, checkpoints, result."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from keras_style import checks
from keras_style.checks import Verbosity
from keras_style.internal import environment
from keras_style.internal.declared import check_all, parameter
from keras_style.optimize.checkpoint import Checkpoint
from keras_style.optimize.iterate import Iterate, OnIterate
from keras_style.optimize.schedule import Stage
from keras_style.painting.progress import PaintingProgress
from keras_style.painting.result import TransferResult

if TYPE_CHECKING:
    from keras_style.optimize.checkpoint import State
    from keras_style.optimize.image_optimizer import Minimum


class Run(Protocol):
    """An optimization from its start, or a saved state, to its end, as `CoarseToFine.run`."""

    def run(
        self, on_iterate: OnIterate, state: "State | None", save: "Callable[[State], None]", save_every: int, /
    ) -> "Minimum": ...


CHECKPOINT_EVERY = 50  # steps


@dataclass(frozen=True, kw_only=True)
class Session:
    """The parameters by which a run is watched and saved, and its execution.

    Raises:
        InputError: a parameter is not what was expected.
    """

    callbacks: Sequence[OnIterate] = parameter(
        (),
        "functions called after each step with a `keras_style.Iterate`; one that returns True ends the run.",
        checks.callables,
    )
    checkpoint: str | Path | None = parameter(
        None, "directory where the run saves itself, and from where the same call goes on; made if missing."
    )
    checkpoint_every: int = parameter(
        CHECKPOINT_EVERY,
        "steps between two saves; the end of each scale is saved, too. A state of L-BFGS takes 540 bytes per pixel, "
        "one of Adam 36.",
        partial(checks.whole, low=1, high=10**9),
    )
    verbose: Verbosity = parameter(
        "auto",
        '0: print nothing; 1: a progress bar, or a line for each scale where no bar can be shown; "auto": a bar if '
        "it can be shown; in a notebook without ipywidgets the lines.",
        checks.verbosity,
    )

    def __post_init__(self) -> None:
        check_all(self)

    def run(
        self,
        stages: Sequence[Stage],
        make: Callable[[], Run],
        settings: Mapping[str, Any],
        digests: Mapping[str, Any],
        finish: Callable[[np.ndarray], np.ndarray] = lambda image: image,
    ) -> TransferResult:
        """Execute a run.

        Args:
            stages: the scales.
            make: prepares the optimization; called after the checkpoint was found to belong to this run.
            settings: parameters as they are used.
            digests: digests of everything else that the picture depends on.
            finish: the last processing of a picture; callbacks get finished pictures, too.
        """
        environment.check_process()
        started = time.perf_counter()
        saved = None if self.checkpoint is None else Checkpoint(self.checkpoint, {**settings, **digests})
        state = saved.load() if saved else None
        run = make()
        with PaintingProgress(stages, self.verbose) as progress:

            def on_iterate(iterate: Iterate) -> bool:
                progress(iterate)
                finished = replace(iterate, read_image=lambda: finish(iterate.image))
                # All callbacks are called, even if one stops the run.
                answers = [callback(finished) for callback in self.callbacks]
                return any(answer is True for answer in answers)

            save = saved.save if saved else (lambda state: None)
            minimum = run.run(on_iterate, state, save, self.checkpoint_every)
        return TransferResult(
            array=finish(minimum.image),
            history=minimum.history,
            settings=settings,
            seconds=time.perf_counter() - started,
            stopped=minimum.stopped,
        )
