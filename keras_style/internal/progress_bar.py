"""A live bar on standard error, in a terminal or a notebook; plain lines where no bar can be shown."""

import contextlib
import importlib.util
from datetime import timedelta
from typing import Any, Self

from rich.console import Console
from rich.progress import Progress, ProgressColumn

from keras_style.checks import Verbosity
from keras_style.internal import stderr


class ProgressBar:
    """A live bar, or lines.

    Args:
        columns: what the bar shows, as columns of `rich.progress`.
        verbose: 0: nothing; 1: a live bar where the terminal or notebook can show one, otherwise lines; "auto": the bar
            where it can be shown, lines in a notebook without ipywidgets, otherwise nothing.
        total: the work to be done, in any unit.
        expand: whether the bar takes the width of the terminal.
        fields: first values of what the columns show.
    """

    def __init__(
        self,
        *columns: ProgressColumn,
        verbose: Verbosity,
        total: float | None = None,
        expand: bool = False,
        **fields: Any,
    ) -> None:
        console = Console(stderr=True)
        widgets = importlib.util.find_spec("ipywidgets") is not None
        live = bool(verbose) and (widgets if console.is_jupyter else console.is_terminal)
        self._prints_lines = not live and (verbose == 1 or (verbose == "auto" and console.is_jupyter))
        self._bar = Progress(*columns, console=console, disable=not live, expand=expand)
        self._task = self._bar.add_task("", total=total, **fields)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a terminal that was closed
            self._bar.refresh()  # a notebook would keep what was shown some tenths of a second ago
        with contextlib.suppress(OSError):
            self._bar.stop()

    def update(self, completed: float, **fields: Any) -> None:
        """Show how much of the work is done, and new values of the columns or of `total`."""
        self._bar.update(self._task, completed=completed, **fields)

    def line(self, text: str) -> None:
        """Print a line, if lines stand in for the bar."""
        if self._prints_lines:
            stderr.say(text)


def time_left(seconds: float, done: float, remaining: float) -> str:
    """Hours, minutes and seconds that the remaining work takes at the mean speed so far.

    Args:
        seconds: what the work done took.
        done: the work done; "?" comes back where it is none.
        remaining: the work that remains, in the same unit.
    """
    return str(timedelta(seconds=round(seconds / done * remaining))) if done > 0 else "?"
