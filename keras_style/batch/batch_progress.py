"""Progress of a batch: pictures, failures, time left."""

import time

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from keras_style.checks import Verbosity
from keras_style.internal.progress_bar import ProgressBar, time_left

_BETWEEN_LINES = 10.0  # seconds


class BatchProgress(ProgressBar):
    """Shows how far a batch has come: as a live bar, or as a line every 10 seconds.

    The time left follows the mean speed since the first picture was done: before that, models were loaded.

    Args:
        total: pictures to be made.
        verbose: as `ProgressBar` takes it.
    """

    def __init__(self, total: int, verbose: Verbosity) -> None:
        self.total, self.done, self.failed = total, 0, 0
        self.began, self.shown = 0.0, time.monotonic()
        super().__init__(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]} failed, {task.fields[left]} left"),
            verbose=verbose,
            total=total,
            failed=0,
            left="?",
        )

    def __call__(self, failed: bool) -> None:
        """Count one more picture."""
        now = time.monotonic()
        self.began = self.began or now
        self.done += 1
        self.failed += failed
        left = time_left(now - self.began, self.done - 1, self.total - self.done)
        self.update(self.done, failed=self.failed, left=left)
        if now >= self.shown + _BETWEEN_LINES:
            self.shown = now
            self.line(f"{self.done}/{self.total}, {self.failed} failed, {left} left")
