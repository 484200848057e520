"""Which versions of a model a directory holds, and which of them a policy asks for."""

import os
from pathlib import Path
from typing import Any

_LARGEST = 2**63 - 1


def versions(base_path: str | os.PathLike[str]) -> dict[int, Path]:
    """The children whose names are whole numbers, by number; leading zeros count for nothing.

    Raises:
        OSError: there is no such directory, or it cannot be read.
    """
    found: dict[int, Path] = {}
    for child in sorted(os.listdir(base_path)):
        if child.isascii() and child.isdigit() and int(child) <= _LARGEST:
            found[int(child)] = Path(base_path, child)
    return found


def chosen(found: dict[int, Path], policy: Any) -> dict[int, Path]:
    """Those that a ServableVersionPolicy asks for; the latest one by default."""
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return found
    if kind == "specific":
        return {number: path for number, path in found.items() if number in policy.specific.versions}
    latest = sorted(found)[-max(policy.latest.num_versions, 1) :]
    return {number: found[number] for number in latest}


def models(directory: str | os.PathLike[str]) -> dict[str, Path]:
    """The subfolders that hold versions, by name; hidden ones are somebody's work in progress.

    Raises:
        OSError: the directory cannot be read.
    """
    folders = [child for child in sorted(Path(directory).absolute().iterdir()) if child.name[0] != "."]
    return {folder.name: folder for folder in folders if folder.is_dir() and _has_version(folder)}


def _has_version(folder: Path) -> bool:
    try:
        return any(path.is_dir() for path in versions(folder).values())
    except OSError:  # removed meanwhile, or not ours to read
        return False
