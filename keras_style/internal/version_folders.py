"""Folders of numbered versions: MODELS/NAME/NUMBER. How they are read, and how one is published.

A model server looks into MODELS/NAME once a second and takes every child whose name is an integer. So a version is
written under a name that is no integer, synchronized to the disk, and renamed: it appears whole or not at all.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from keras_style import checks
from keras_style.errors import InputError, StyleError
from keras_style.internal import directories

LARGEST = 2**63 - 1
LEFTOVER_SECONDS = 24 * 3600  # of a directory that another machine may still be writing
_PREFIX = ".unfinished-"
_LOCK = ".lock"


def versions(directory: str | os.PathLike[str]) -> dict[int, Path]:
    """The versions of a model as TensorFlow Serving finds them: children whose names are digits, up to `LARGEST`.

    Args:
        directory: MODELS/NAME.

    Returns:
        `{number: path}`, the smallest first. Leading zeros count for nothing: "0012" is version 12.

    Raises:
        OSError: there is no such directory, or it cannot be read.
    """
    found = {}
    for name in sorted(os.listdir(directory)):
        if name.isascii() and name.isdigit() and int(name) <= LARGEST:
            found[int(name)] = Path(directory, name)
    return dict(sorted(found.items()))


def models(directory: str | os.PathLike[str]) -> dict[str, dict[int, Path]]:
    """The models in a directory: subfolders, not hidden, that hold at least one directory of a version.

    Args:
        directory: MODELS.

    Returns:
        `{name: {number: path}}`, ordered by name and number.

    Raises:
        OSError: there is no such directory, or it cannot be read.
    """
    found = {}
    for name in sorted(os.listdir(directory)):
        if name.startswith("."):  # work in progress
            continue
        try:
            folders = {number: path for number, path in versions(Path(directory, name)).items() if path.is_dir()}
        except OSError:  # a file, removed meanwhile, or unreadable
            continue
        if folders:
            found[name] = folders
    return found


def publish(directory: str | os.PathLike[str], version: int | None, write: Callable[[Path], None]) -> Path:
    """Make a new version.

    Whenever this process is killed, a reader sees no version or all of it. The leftovers of a killed process have no
    integer for a name, and the next call removes them. Several processes may publish at once.

    Args:
        directory: MODELS/NAME, which is made with its parents.
        version: the new number; None means the largest there is, plus one.
        write: fills an empty directory, whose name will change.

    Returns:
        The directory of the version.

    Raises:
        InputError: the version exists, or the directory cannot be written.
    """
    directory = Path(directory)
    check_new(directory, version)
    made = directories.make(directory)
    try:
        _remove_leftovers(directory)
        with _unfinished(directory) as (folder, unlock):
            write(folder)
            _to_disk(folder)
            unlock()
            return _named(folder, directory, version)
    except StyleError:  # some are OSErrors, too
        raise
    except OSError as error:
        raise InputError(f"{directory} cannot be written: {error.strerror or error}") from error
    finally:
        directories.remove_empty(made)  # where nothing was published


def check_new(directory: Path, version: int | None) -> None:
    """Check that `publish` can make this version, before the long work that fills it.

    Raises:
        InputError: as `publish`.
    """
    if version is not None and checks.whole("version", version, 1, LARGEST) in (
        versions(directory) if directory.is_dir() else ()
    ):
        raise _exists(directory, version)
    directories.check(directory)


def _exists(directory: Path, version: int) -> InputError:
    return InputError(f"{directory} has version {version} already; expected a new number, or none for the next one")


@contextlib.contextmanager
def _unfinished(directory: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A directory to write in, locked so that others can tell it from a leftover; removed unless it gets renamed.

    Yields the directory, and a function that removes the lock.
    """
    folder = directory / f"{_PREFIX}{secrets.token_hex(8)}"
    folder.mkdir()
    try:
        with open(folder / f"{_LOCK}.new", "xb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(lock.name, folder / _LOCK)  # nobody finds it before it is locked
            # The lock is no part of the version. Without it, the age of the folder protects it for a moment.
            yield folder, (folder / _LOCK).unlink
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_leftovers(directory: Path) -> None:
    for folder in directory.glob(f"{_PREFIX}*"):
        if _is_left(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Whether its writer is gone: the system releases a process's lock when the process ends in any way."""
    age = 0.0
    try:
        age = time.time() - folder.stat().st_mtime
        with open(folder / _LOCK, "rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except BlockingIOError:
        return False
    except FileNotFoundError:  # no lock yet or any more, of a process that was killed or is at work; or just renamed
        return age > LEFTOVER_SECONDS
    except OSError:  # a file system without locks
        return age > LEFTOVER_SECONDS


def _named(folder: Path, directory: Path, version: int | None) -> Path:
    while True:
        taken = versions(directory)
        number = checks.whole("the next version", max(taken, default=0) + 1, 1, LARGEST) if version is None else version
        target = directory / str(number)
        try:
            if number in taken:
                raise FileExistsError
            os.rename(folder, target)  # refuses a directory with anything in it
        except OSError as error:
            if error.errno not in (None, errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            if version is not None:
                raise _exists(directory, version) from None
            continue  # another process was faster
        _sync(directory)
        return target


def _to_disk(folder: Path) -> None:
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            _sync(Path(parent, name))
        _sync(Path(parent))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
