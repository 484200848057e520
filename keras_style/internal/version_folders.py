"""Numbered directories of a model, each of which appears whole or not at all.

A model server looks into MODELS/NAME once a second and takes every child whose name is an integer. So a version is
written under a name that is none, brought to the disk, and renamed.
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
    """The versions of a model, the smallest first: `{number: directory}`. Names as "0012" count, as in TF Serving."""
    found = {}
    for path in sorted(Path(directory).iterdir()):
        if path.name.isascii() and path.name.isdigit() and int(path.name) <= LARGEST:
            found[int(path.name)] = path
    return dict(sorted(found.items()))


def publish(directory: str | os.PathLike[str], version: int | None, write: Callable[[Path], None]) -> Path:
    """Make a new version.

    Whoever looks sees no version or all of it, whenever this process is killed; what it then leaves behind has no
    integer for a name, and the next call takes it away. Several processes may publish at once.

    Args:
        directory: of the model, which is made with its parents.
        version: its number; None means the largest there is, plus one.
        write: fills an empty directory, whose name will change.

    Returns:
        The directory of the version.

    Raises:
        InputError: the version exists, or the disk refuses.
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
    """Make sure that `publish` can make this version, before the long work that fills it.

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
    """A directory to write in, locked so that others can tell it from a leftover; removed unless it was renamed."""
    folder = directory / f"{_PREFIX}{secrets.token_hex(8)}"
    folder.mkdir()
    try:
        with open(folder / f"{_LOCK}.new", "xb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(lock.name, folder / _LOCK)  # nobody finds it before it is locked
            # The lock is no part of the version; without it the folder is young enough for a moment more.
            yield folder, (folder / _LOCK).unlink
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_leftovers(directory: Path) -> None:
    for folder in directory.glob(f"{_PREFIX}*"):
        if _is_left(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Whether whoever wrote it is gone: the system gives up a process's lock when it dies, however it dies."""
    age = 0.0
    try:
        age = time.time() - folder.stat().st_mtime
        with open(folder / _LOCK, "rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except BlockingIOError:
        return False
    except FileNotFoundError:  # killed before the lock was there or after it was gone; or not yet, or renamed just now
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
