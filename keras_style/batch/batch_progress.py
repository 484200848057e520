"""Progress of a batch on the terminal or in a notebook: pictures, failures, time left."""

import sys
import time
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from keras_style.painting.progress import Verbosity

_BETWEEN_LINES = 10.0  # seconds


class BatchProgress:
    """Shows how far a batch has come and how long the rest will take, on standard error.

    The time left is by the mean speed since the first picture was done: before, the models were loaded.

    Args:
        total: pictures to be made.
        verbose: 0: nothing; 1: a live bar where the terminal or notebook can show one, otherwise a line every 10
            seconds; "auto": the bar where it can be shown, otherwise nothing.
    """

    def __init__(self, total: int, verbose: Verbosity) -> None:
        console = Console(stderr=True)
        live = (console.is_terminal or console.is_jupyter) and bool(verbose)
        self.lines = not live and verbose not in ("auto", 0)
        self.total, self.done, self.failed = total, 0, 0
        self.began, self.shown = 0.0, time.monotonic()
        self.bar = Bar(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]} failed, {task.fields[left]} left"),
            console=console,
            disable=not live,
        )
        self.task = self.bar.add_task("", total=total, failed=0, left="?")

    def __enter__(self) -> "BatchProgress":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, failed: bool) -> None:
        """Count one more picture."""
        now = time.monotonic()
        self.began = self.began or now
        self.done += 1
        self.failed += failed
        left = self._left(now)
        self.bar.update(self.task, completed=self.done, failed=self.failed, left=left)
        if self.lines and now >= self.shown + _BETWEEN_LINES:
            self.shown = now
            print(f"{self.done}/{self.total}, {self.failed} failed, {left} left", file=sys.stderr, flush=True)

    def _left(self, now: float) -> str:
        if self.done < 2:
            return "?"
        return str(timedelta(seconds=round((now - self.began) / (self.done - 1) * (self.total - self.done))))
