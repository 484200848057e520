"""Progress of a painting: scale, step, losses, time left."""

from collections.abc import Sequence

from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

from keras_style.checks import Verbosity
from keras_style.internal.progress_bar import ProgressBar
from keras_style.optimize.iterate import Iterate
from keras_style.optimize.schedule import Stage


class PaintingProgress(ProgressBar):
    """Shows how far a run over scales has come: as a live bar, or as a line per scale.

    Args:
        stages: the scales.
        verbose: as `ProgressBar` takes it.
    """

    def __init__(self, stages: Sequence[Stage], verbose: Verbosity) -> None:
        self.stages = stages
        self.latest: Iterate | None = None
        super().__init__(
            TextColumn("{task.fields[scale]} px"),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[step]}/{task.fields[steps]}"),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True, min_width=5)),
            TextColumn("left  {task.fields[losses]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            verbose=verbose,
            # The bar counts pixels computed, not steps: a step of the last scale costs many of the first.
            total=sum(stage.steps * stage.height * stage.width for stage in stages),
            scale=stages[0].long_side,
            step=0,
            steps=sum(stage.steps for stage in stages),
            losses="starting",
        )

    def __exit__(self, *_: object) -> None:
        super().__exit__()
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
        self.update(done, scale=iterate.scale, step=iterate.step, losses=_losses(iterate))

    def _end_of_scale(self) -> None:
        if self.latest:
            self.line(f"{self.latest.scale} px, step {self.latest.step}/{self.latest.steps}: {_losses(self.latest)}")


def _losses(iterate: Iterate) -> str:
    return "  ".join(f"{name} {value:.2g}" for name, value in iterate.losses.items())
