"""Files that appear whole or not at all."""

import contextlib
import errno
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

if sys.platform != "win32":
    import fcntl

LEFT_BEHIND = re.compile(r"\.[0-9a-f]{16}\.tmp")  # names of temporary files; what is left of one was killed

# A rename that is refused where writing is not: onto a mounted file, or in a directory that is write-protected.
_CANNOT_BE_RENAMED_OVER = {errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOTSUP}

_swept: set[Path] = set()


def write_bytes(path: str | os.PathLike[str], data: bytes | bytearray | memoryview) -> None:
    """Write `data` to `path`: whoever opens `path` sees the old content or all of the new, never a part.

    The data goes to a temporary file in the same directory, to the disk, and then takes the name. An existing file
    keeps its mode, a new one gets the usual one (0666 less the umask), a symbolic link is followed. Nothing else is
    left behind, also when the write fails or is interrupted; what a killed process left is removed by the next one that
    writes to the directory.

    Where a file system has no modes or no sync, both are left out. A file that cannot be renamed over, such as one that
    is mounted, is written in place.

    Args:
        path: the file to write; its directory must exist.
        data: all of its content.

    Raises:
        OSError: the file cannot be written, with the reason of the operating system.
    """
    target = Path(os.path.realpath(path))  # a rename would replace the link itself
    if target.parent not in _swept:
        _sweep(target.parent)
    try:
        with _temporary(target.parent) as (file, temporary):
            with contextlib.suppress(OSError):
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            _fill(file, data)
            os.replace(temporary, target)
    except OSError as error:
        if error.errno not in _CANNOT_BE_RENAMED_OVER or not target.is_file():
            raise
        with open(target, "r+b") as existing:
            existing.truncate(0)
            _fill(existing, data)


def _fill(file: IO[bytes], data: bytes | bytearray | memoryview) -> None:
    file.write(data)
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EPERM):
            raise


@contextlib.contextmanager
def _temporary(directory: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A new file, locked for as long as it is written; it is removed if it has not got another name by the end."""
    path = directory / f".{secrets.token_hex(8)}.tmp"  # a name derived from the target's could be too long
    try:
        with open(path, "xb") as file:
            _lock(file)
            yield file, path
    finally:
        with contextlib.suppress(OSError):  # the error that matters is already on its way
            path.unlink()


def _lock(file: IO[bytes]) -> bool:
    """Whether this process alone has the file now; also where the file system has no locks."""
    if sys.platform == "win32":
        return False  # Windows deletes no open file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(directory: Path) -> None:
    """Remove the temporary files that no process writes any more, once per process and directory."""
    _swept.add(directory)
    began = time.time() - 1  # a younger file may be one that its process has not locked yet
    with contextlib.suppress(OSError):
        for entry in os.scandir(directory):
            ours = LEFT_BEHIND.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
            if ours and entry.stat().st_mtime < began:
                with contextlib.suppress(OSError), open(entry.path, "r+b") as file:
                    if _lock(file):
                        os.unlink(entry.path)
