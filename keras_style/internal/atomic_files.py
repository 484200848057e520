"""Files that appear whole or not at all."""

import contextlib
import os
import secrets
import stat
from pathlib import Path


def write_bytes(path: str | os.PathLike[str], data: bytes | bytearray | memoryview) -> None:
    """Write `data` to `path`: whoever opens `path` sees the old content or all of the new, never a part.

    The data goes to a temporary file in the same directory, to the disk, and then takes the name. An existing file
    keeps its mode, a new one gets the usual one (0666 less the umask), a symbolic link is followed. Nothing else is
    left behind, also when the write fails or is interrupted.

    Args:
        path: the file to write; its directory must exist.
        data: all of its content.

    Raises:
        OSError: the file cannot be written, with the reason of the operating system.
    """
    target = Path(os.path.realpath(path))  # a rename would replace the link itself
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")  # a name derived from the target's could be too long
    try:
        with open(temporary, "xb") as file:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        with contextlib.suppress(OSError):  # the error that matters is already on its way
            temporary.unlink()
