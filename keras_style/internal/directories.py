"""Directories for output: made with their parents, or refused in one line."""

import contextlib
import os
from pathlib import Path

from keras_style.errors import InputError, StyleError


def make(
    directory: str | os.PathLike[str], name: str = "directory", error: type[StyleError] = InputError
) -> list[Path]:
    """Make a directory and those of its parents that are missing.

    Args:
        directory: may exist already.
        name: how an error calls it.
        error: the kind of error that is raised.

    Returns:
        What was made, the innermost first.

    Raises:
        StyleError: of the kind `error`: a file is in the way, or the system refuses. Nothing was made.
    """
    directory = Path(directory)
    missing = [each for each in (directory, *directory.parents) if not os.path.exists(each)]
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as refused:
        remove_empty(missing)
        raise error(_refusal(name, directory, refused.strerror or str(refused))) from None
    return missing


def check(directory: str | os.PathLike[str], name: str = "directory") -> None:
    """Make sure that `make` can make a directory, before the long work that fills it. Nothing is made.

    Raises:
        InputError: a file is in the way, or the directory to make it in is write-protected.
    """
    directory = Path(directory)
    there = next((each for each in (directory, *directory.absolute().parents) if os.path.exists(each)), Path("/"))
    if not there.is_dir():
        raise InputError(_refusal(name, directory, f"{there} is a file"))
    if not os.access(there, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise InputError(_refusal(name, directory, f"{there} is write-protected"))


def remove_empty(made: list[Path]) -> None:
    """Remove directories that `make` made and nothing was written to."""
    for each in made:
        with contextlib.suppress(OSError):  # it is not empty, or was never made
            each.rmdir()


def _refusal(name: str, directory: Path, reason: str) -> str:
    return f"{name}: {directory} cannot be made a directory ({reason})"
