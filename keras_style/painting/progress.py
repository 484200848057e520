"""Progress on the terminal or in a notebook: scale, step, losses, time left."""

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Column

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
        self.latest: Iterate | None = None
        self.lines = not live and verbose not in ("auto", 0)
        # The bar runs over pixels computed, not steps: a step of the last scale costs many of the first.
        work = sum(stage.steps * stage.height * stage.width for stage in stages)
        self.bar = Bar(
            TextColumn("{task.fields[scale]} px"),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[step]}/{task.fields[steps]}"),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True, min_width=5)),
            TextColumn("left  {task.fields[losses]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
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
        self._end_of_scale()

    def __call__(self, iterate: Iterate) -> None:
        """Show one more step."""
        if self.latest and iterate.scale != self.latest.scale:
            self._end_of_scale()
        self.latest = iterate
        done, ends = 0, 0
        for stage in self.stages:
            done += min(max(iterate.step - ends, 0), stage.steps) * stage.height * stage.width
            ends += stage.steps
        self.bar.update(self.task, completed=done, scale=iterate.scale, step=iterate.step, losses=_losses(iterate))

    def _end_of_scale(self) -> None:
        if self.lines and self.latest:
            line = f"{self.latest.scale} px, step {self.latest.step}/{self.latest.steps}: {_losses(self.latest)}"
            print(line, file=sys.stderr, flush=True)


def _losses(iterate: Iterate) -> str:
    return "  ".join(f"{name} {value:.2g}" for name, value in iterate.losses.items())
