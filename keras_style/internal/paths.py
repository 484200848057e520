"""Paths as users write them."""

import os
from pathlib import Path


def user_path(path: str | os.PathLike[str]) -> Path:
    """A path with `~` and `~USER` as home directories, as a shell has it; of a user who is not known, as it is."""
    return Path(os.path.expanduser(path))
