"""The pictures of a batch, on a disk or in an object store, and the names of their outputs."""

import os
from collections.abc import Sequence

from keras_style.batch.folder import Folder, explained, resolved
from keras_style.checks import PICTURES
from keras_style.errors import InputError, MissingFileError
from keras_style.images.folders import check_distinct, files_in, is_hidden, is_picture

_WILDCARDS = "*?["


def find(pictures: str | os.PathLike[str], recursive: bool, target: Folder) -> tuple[Folder, list[str], int]:
    """The pictures that were named, in the order of their names.

    Args:
        pictures: a folder, whose files with the suffix of a picture are taken; a pattern with `*`, `?`, `[...]` or
            `**`, likewise; or one file, whatever its suffix. A path or a URL of fsspec.
        recursive: also search the folders in the folder. Hidden files and folders are left out.
        target: folder of the outputs.

    Returns:
        The folder that names are relative to (of a pattern, the part before the first wildcard), the names, and how
        many files were left out, since they are no pictures by their suffix.

    Raises:
        MissingFileError: there is no such file or folder.
        InputError: there is no picture, or the next call would take outputs for pictures.
    """
    fs, path = resolved("pictures", pictures)
    with explained("pictures", pictures):
        if fs.isdir(path):
            root, deep = path, recursive
            if Folder(fs, path).is_local:
                found = [str(each) for each in files_in(path, recursive=recursive, name="pictures")]
            elif recursive:
                found = fs.find(path)
            else:
                found = [each["name"] for each in fs.ls(path, detail=True) if each["type"] == "file"]
        elif fs.isfile(path):
            root, found, deep = path.rpartition("/")[0] or "/", [path], False
        elif any(wildcard in path for wildcard in _WILDCARDS):
            first = min(path.find(wildcard) for wildcard in _WILDCARDS if wildcard in path)
            root, deep = path[:first].rpartition("/")[0] or "/", "/" in path[first:]
            found = [name for name, about in fs.glob(path, detail=True).items() if about["type"] == "file"]
        else:
            raise MissingFileError(f"pictures: no such file or folder: {pictures}")
    folder = Folder(fs, root)
    _check_apart(folder, target, deep)
    start = len(folder.file(""))
    named = [path[start:]] if found == [path] else []
    seen = named or [name for name in (each[start:] for each in found) if not is_hidden(name)]
    names = named or sorted(filter(is_picture, seen))
    if not names:
        raise InputError(f"pictures: {pictures} holds no picture; expected files that end in {', '.join(PICTURES)}")
    return folder, names, len(seen) - len(names)


def outputs(names: Sequence[str], suffix: str) -> list[str]:
    """Names of the outputs: those of the pictures with another suffix.

    Raises:
        InputError: two pictures would become one file.
    """
    changed = [os.path.splitext(name)[0] + suffix for name in names]
    check_distinct(names, changed)
    return changed


def _check_apart(source: Folder, target: Folder, deep: bool) -> None:
    if type(source.fs) is not type(target.fs):
        return
    inside = f"{target.path.rstrip('/')}/".startswith(source.file(""))
    if inside and (deep or target.path.rstrip("/") == source.path.rstrip("/")):
        raise InputError(f"output: {target} lies in {source}, where the pictures are; expected another folder")
