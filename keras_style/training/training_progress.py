"""Progress of a training on the terminal or in a notebook: epoch, step, time left, losses."""

import math
import sys
import time
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column

from keras_style.internal.tensorflow import keras
from keras_style.painting.progress import Verbosity
from keras_style.training.resume import Resume

_REFRESH = 0.5  # seconds
_SHOWN = ("generator_loss", "discriminator_a", "discriminator_b")


class TrainingProgress(keras.callbacks.Callback):
    """Shows how far a training has come and how long the rest of it will take, on standard error.

    The time left is that of the whole training, by the mean speed since this run began, evaluations included.

    Args:
        resume: the callback that counts epochs and steps; it comes earlier in the list.
        steps: of an epoch.
        verbose: 0: nothing; 1: a live bar where the terminal or notebook can show one, otherwise a line for each epoch;
            "auto": the bar where it can be shown, otherwise nothing.
    """

    def __init__(self, resume: Resume, steps: int, verbose: Verbosity = "auto") -> None:
        super().__init__()
        console = Console(stderr=True)
        live = (console.is_terminal or console.is_jupyter) and bool(verbose)
        self.lines = not live and verbose not in ("auto", 0)
        self.resume, self.steps = resume, steps
        self.began: tuple[float, int] | None = None
        self.shown = 0.0
        self.bar = Bar(
            TextColumn("epoch {task.fields[epoch]}  step {task.fields[step]}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[left]} left", table_column=Column(no_wrap=True)),
            # What the others leave of the line, or in a narrow terminal it would push the bar out.
            TextColumn("{task.fields[losses]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
            expand=True,
            console=console,
            disable=not live,
        )
        self.task = self.bar.add_task("", epoch="", step="", left="?", losses="starting")

    def __enter__(self) -> "TrainingProgress":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    @property
    def done(self) -> int:
        """Steps since the beginning of the training."""
        return (self.resume.epoch or 0) * self.steps + self.resume.step

    def left(self) -> str:
        """Hours, minutes and seconds to the end."""
        if self.began is None or self.done <= self.began[1]:
            return "?"
        since, first = self.began
        remaining = self.params["epochs"] * self.steps - self.done
        return str(timedelta(seconds=round((time.monotonic() - since) / (self.done - first) * remaining)))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.began is None:
            self.began = time.monotonic(), self.done

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if time.monotonic() > self.shown + _REFRESH:
            self.shown = time.monotonic()
            self.bar.update(
                self.task,
                total=self.params["epochs"] * self.steps,
                completed=self.done,
                epoch=f"{(self.resume.epoch or 0) + 1}/{self.params['epochs']}",
                step=f"{self.resume.step}/{self.steps}",
                left=self.left(),
                losses=_text({name: value for name, value in (logs or {}).items() if name in _SHOWN}),
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.lines:
            line = f"epoch {epoch + 1}/{self.params['epochs']}, {self.left()} left: {_text(logs)}"
            print(line, file=sys.stderr, flush=True)


def _text(logs: dict[str, Any] | None) -> str:
    return "  ".join(f"{name} {value:.3g}" for name, value in (logs or {}).items() if not math.isnan(value))
