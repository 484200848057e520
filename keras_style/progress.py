"""Progress on the terminal or in a notebook: scale, step, losses, time left."""

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Literal

from rich.console import Console
from rich.progress import (
    BarColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from keras_style.optimize.iterate import Iterate
from keras_style.optimize.schedule import Stage

Verbosity = Literal["auto"] | int


class Progress:
    """Shows how far a run over scales has come, on standard error.

    Args:
        stages: the scales.
        verbose: 0: nothing; 1: a live bar where the terminal or notebook can show one, otherwise a line for each
            scale; "auto": the bar where it can be shown, otherwise nothing.
    """

    def __init__(self, stages: Sequence[Stage], verbose: Verbosity):
        console = Console(stderr=True)
        live = (console.is_terminal or console.is_jupyter) and bool(verbose)
        self.stages = stages
        self.lines = not live and verbose not in ("auto", 0)
        # The bar runs over pixels computed, not steps: a step of the last scale costs many of the first.
        work = sum(stage.steps * stage.height * stage.width for stage in stages)
        self.bar = Bar(
            TextColumn("{task.fields[scale]} px"),
            BarColumn(),
            TextColumn("step {task.fields[step]}/{task.fields[steps]}"),
            TextColumn("{task.fields[losses]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            disable=not live,
            transient=False,
        )
        steps = sum(stage.steps for stage in stages)
        self.task = self.bar.add_task("", total=work, scale=stages[0].long_side, step=0, steps=steps, losses="starting")

    def __enter__(self) -> "Progress":
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def __call__(self, iterate: Iterate) -> None:
        """Show one more step."""
        losses = "  ".join(f"{name} {value:.3g}" for name, value in iterate.losses.items())
        done, ends = 0, 0
        for stage in self.stages:
            within = min(max(iterate.step - ends, 0), stage.steps)
            done += within * stage.height * stage.width
            ends += stage.steps
            if self.lines and iterate.step == ends:
                print(
                    f"{stage.long_side} px, step {iterate.step}/{iterate.steps}: {losses}", file=sys.stderr, flush=True
                )
        self.bar.update(self.task, completed=done, scale=iterate.scale, step=iterate.step, losses=losses)
