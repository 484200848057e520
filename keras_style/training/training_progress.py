"""Progress of a training: epoch, step, time left, losses."""

import math
import time
from typing import Any

from rich.progress import BarColumn, TextColumn
from rich.table import Column

from keras_style.checks import Verbosity
from keras_style.internal.progress_bar import ProgressBar, time_left
from keras_style.internal.tensorflow import keras
from keras_style.training.resume import Resume

_REFRESH = 0.5  # seconds
_SHOWN = ("generator_loss", "discriminator_a", "discriminator_b", "style", "content", "stability")


class TrainingProgress(keras.callbacks.Callback):
    """Shows how far a training has come: as a live bar, or as a line per epoch.

    The time left is that of the whole training, at the mean speed since this run began, evaluations included.

    Args:
        resume: the callback that counts epochs and steps; it comes earlier in the list.
        steps: steps per epoch.
        verbose: as `ProgressBar` takes it.
    """

    def __init__(self, resume: Resume, steps: int, verbose: Verbosity = "auto") -> None:
        super().__init__()
        self.resume, self.steps = resume, steps
        self.began: tuple[float, int] | None = None
        self.shown = 0.0
        self.bar = ProgressBar(
            TextColumn("epoch {task.fields[epoch]}  step {task.fields[step]}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[left]} left", table_column=Column(no_wrap=True)),
            # The losses take what the others leave of the line: in a narrow terminal they would push the bar out.
            TextColumn("{task.fields[losses]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
            verbose=verbose,
            expand=True,
            epoch="",
            step="",
            left="?",
            losses="starting",
        )

    def __enter__(self) -> "TrainingProgress":
        self.bar.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.__exit__()

    @property
    def done(self) -> int:
        """Steps since the beginning of the training."""
        return (self.resume.epoch or 0) * self.steps + self.resume.step

    @property
    def total(self) -> int:
        """Steps of the whole training."""
        return self.params["epochs"] * self.steps

    def left(self) -> str:
        """Hours, minutes and seconds to the end."""
        if self.began is None:
            return "?"
        since, first = self.began
        return time_left(time.monotonic() - since, self.done - first, self.total - self.done)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.began is None:
            self.began = time.monotonic(), self.done

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if time.monotonic() > self.shown + _REFRESH:
            self.shown = time.monotonic()
            self.bar.update(
                self.done,
                total=self.total,
                epoch=f"{(self.resume.epoch or 0) + 1}/{self.params['epochs']}",
                step=f"{self.resume.step}/{self.steps}",
                left=self.left(),
                losses=_text({name: value for name, value in (logs or {}).items() if name in _SHOWN}),
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.bar.line(f"epoch {epoch + 1}/{self.params['epochs']}, {self.left()} left: {_text(logs)}")


def _text(logs: dict[str, Any] | None) -> str:
    return "  ".join(f"{name} {value:.3g}" for name, value in (logs or {}).items() if not math.isnan(value))
