"""Folders of pictures: which of their files are pictures, and what the pictures made of them are called."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from keras_style.checks import PICTURES
from keras_style.errors import InputError, MissingFileError
from keras_style.images.writing import check_writable
from keras_style.internal import directories
from keras_style.internal.paths import user_path


def is_hidden(path: str) -> bool:
    """Whether a path, relative to the folder that is searched, is that of a hidden file or lies in a hidden folder."""
    return any(part.startswith(".") for part in path.split("/"))


def is_picture(path: str) -> bool:
    """Whether a path is that of a picture, by its suffix."""
    return path.lower().endswith(PICTURES)


def files_in(folder: str | os.PathLike[str], *, recursive: bool, name: str) -> list[Path]:
    """The files in a folder that are not hidden, in the order of their paths.

    Args:
        folder: the folder.
        recursive: also search the folders in it, and those that links in it lead to; hidden ones are left out, and a
            folder that contains itself is searched once.
        name: how errors call it.

    Raises:
        InputError: a folder cannot be read.
    """

    def unreadable(error: OSError) -> None:
        raise InputError(f"{name}: {error.filename} cannot be read: {error.strerror}") from error

    found = []
    seen = set()
    for path, folders, files in os.walk(folder, onerror=unreadable, followlinks=True):
        seen.add(os.path.realpath(path))
        folders[:] = [
            each
            for each in sorted(folders)
            if recursive and not each.startswith(".") and os.path.realpath(Path(path, each)) not in seen
        ]
        found += [Path(path, file) for file in files if not file.startswith(".")]
    return sorted(found)


def pictures_in(folder: str | os.PathLike[str], *, recursive: bool, name: str) -> list[Path]:
    """Those of `files_in` that are pictures by their suffix."""
    return [path for path in files_in(folder, recursive=recursive, name=name) if is_picture(path.name)]


def named_pictures(given: Iterable[str | os.PathLike[str]]) -> tuple[list[Path], int]:
    """The pictures that were named, and those in the folders that were named; how many other files are in these.

    Raises:
        MissingFileError: there is no such file or folder.
        InputError: a folder holds no picture.
    """
    found: list[Path] = []
    left_out = 0
    for path in map(user_path, given):
        if path.is_dir():
            files = files_in(path, recursive=False, name="pictures")
            inside = [file for file in files if is_picture(file.name)]
            if not inside:
                raise InputError(f"{path} holds no picture; expected files that end in {', '.join(PICTURES)}")
            found += inside
            left_out += len(files) - len(inside)
        elif path.is_file():
            found.append(path)
        else:
            raise MissingFileError(f"no such file or folder: {path}")
    return found, left_out


def targets(
    given: Sequence[str | os.PathLike[str]], sources: Sequence[Path], output: str | os.PathLike[str], overwrite: bool
) -> list[Path]:
    """Paths of the output pictures: the file itself, where one picture was named, or a PNG of each name in a directory.

    Args:
        given: the pictures and folders that were named.
        sources: the pictures that are read.
        output: the path that was asked for.
        overwrite: whether files that are in a directory already may be replaced.

    Raises:
        MissingFileError, InputError: it cannot be written, two pictures would get one name, or a file would be
            replaced that was not named: one that is read, or any other in the directory.
    """
    output = user_path(output)
    made = _targets(sources, output, single=len(given) == 1 and user_path(given[0]).is_file())
    read = {os.path.realpath(source): source for source in sources}
    for target in made:
        if (source := read.get(os.path.realpath(target))) is not None:
            raise InputError(f"output: {target} would replace the picture {source}; expected another place")
        if target != output and not overwrite and os.path.lexists(target):
            raise InputError(f"output: {target} exists already; expected another directory, or overwrite")
    return made


def _targets(sources: Sequence[Path], output: Path, single: bool) -> list[Path]:
    if single and output.suffix and not output.is_dir():
        check_writable(output)
        return [output]
    if not output.is_dir() and (output.exists() or output.suffix.lower() in PICTURES):
        raise InputError(f"output is {output}; expected a directory for {len(sources)} pictures")
    directories.check(output, "output")
    names = [f"{source.stem}.png" for source in sources]
    check_distinct([str(source) for source in sources], names)
    return [output / name for name in names]


def check_distinct(sources: Sequence[str], outputs: Sequence[str]) -> None:
    """Raise InputError if two pictures would become one file."""
    twice = [output for output, count in Counter(outputs).items() if count > 1]
    if twice:
        same = [source for source, output in zip(sources, outputs, strict=True) if output == twice[0]]
        more = f" (and {len(twice) - 1} more such files)" if len(twice) > 1 else ""
        raise InputError(f"pictures: {' and '.join(same)} would both become {twice[0]}{more}; expected different names")
