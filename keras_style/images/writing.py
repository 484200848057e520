"""Writing images: float arrays (height, width, 3) in [0, 1] become PNG, JPEG or WebP files, tagged as sRGB."""

import functools
import io
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from keras_style import checks
from keras_style.errors import InputError, MissingFileError
from keras_style.images.sizes import check_range
from keras_style.internal import atomic_files
from keras_style.internal.paths import user_path

# Without 4:4:4, JPEG halves the resolution of color, which is what style transfer paints with.
_ENCODER_OPTIONS: dict[str, dict[str, Any]] = {"png": {}, "jpeg": {"subsampling": "4:4:4"}, "webp": {}}
_WRITABLE = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def to_pil(array: np.ndarray) -> Image.Image:
    """An 8-bit RGB image, each value rounded to the nearest of the 256 levels.

    Args:
        array: floating point (height, width, 3) in [0, 1].

    Raises:
        InputError: the array is something else.
    """
    came = f"an array of shape {array.shape} and dtype {array.dtype}"
    if array.ndim != 3 or array.shape[-1] != 3 or not array.size or not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"{came}; expected floating point (height, width, 3) in [0, 1]")
    check_range(array, 0, 1, came)
    levels = array.astype(np.float32)
    levels *= 255
    levels += 0.5
    return Image.fromarray(levels.astype(np.uint8))


def encode(array: np.ndarray, format: str, quality: int = 95) -> bytes:
    """An image file in memory, with an sRGB profile; the same array gives the same bytes.

    Args:
        array: floating point (height, width, 3) in [0, 1].
        format: "png", "jpeg" (without chroma subsampling) or "webp".
        quality: 1 to 100, of JPEG and WebP; PNG loses nothing.

    Raises:
        InputError: an argument is something else, or the format cannot hold an image this large.
    """
    if format not in _ENCODER_OPTIONS:
        raise InputError(f"format is {checks.shown(format)}; expected one of {', '.join(_ENCODER_OPTIONS)}")
    if not isinstance(quality, int) or not 1 <= quality <= 100:
        raise InputError(f"quality is {checks.shown(quality)}; expected a whole number from 1 to 100")
    image = to_pil(array)
    buffer = io.BytesIO()
    try:
        image.save(buffer, format, quality=quality, icc_profile=srgb_profile(), **_ENCODER_OPTIONS[format])
    except (OSError, ValueError) as error:
        raise InputError(f"{image.width} x {image.height} pixels cannot be encoded as {format}: {error}") from error
    return buffer.getvalue()


@functools.cache
def srgb_profile() -> bytes:
    """The ICC profile of sRGB, always the same bytes."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[24:36] = bytes.fromhex("07e800010001000000000000")  # its date, which would make every run's files differ
    return bytes(data)


def save(array: np.ndarray, path: str | os.PathLike[str], *, quality: int = 95) -> Path:
    """Write an image file, whole or not at all; the suffix says the format: .png, .jpg, .jpeg or .webp.

    Args:
        array: floating point (height, width, 3) in [0, 1].
        path: the file; its directory must exist, and a file of this name is replaced.
        quality: 1 to 100, of JPEG and WebP.

    Returns:
        The path.

    Raises:
        InputError: as `check_writable` and `encode`, or the disk refuses the file.
    """
    path = user_path(path)
    check_writable(path)
    data = encode(array, format_of(path), quality)
    try:
        atomic_files.write_bytes(path, data)
    except OSError as error:
        raise _not_writable(path, error) from error
    return path


def check_writable(path: str | os.PathLike[str]) -> None:
    """Make sure that `save` will be able to write `path`, before the long work that produces the image.

    Args:
        path: the file to be written. Nothing is left behind there.

    Raises:
        MissingFileError: its directory does not exist.
        InputError: the suffix is none of .png, .jpg, .jpeg and .webp, or the file or its directory cannot be written.
    """
    format_of(path)
    target = Path(os.path.realpath(user_path(path)))  # where a symbolic link leads is where the file goes
    try:
        target.parent.stat()
    except FileNotFoundError as error:
        raise MissingFileError(f"{path}: no such directory: {target.parent}") from error
    except OSError as error:
        raise _not_writable(path, error) from error
    try:
        _check_target(target)
        with tempfile.TemporaryFile(dir=target.parent):  # permission bits do not tell what a file system allows
            pass
    except OSError as error:
        raise _not_writable(path, error) from error


def _check_target(target: Path) -> None:
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise InputError(f"{target} is {'a directory' if stat.S_ISDIR(mode) else 'not a file'}; expected a file name")
    if not os.access(target, os.W_OK):
        raise InputError(f"{target} is write-protected; expected a file that may be replaced")


def _not_writable(path: str | os.PathLike[str], error: OSError) -> InputError:
    return InputError(f"{path} cannot be written: {error.strerror or error}")


def format_of(path: str | os.PathLike[str]) -> str:
    """Name that `encode` gives to the format of a path's suffix; InputError unless it is .png, .jpg, .jpeg or .webp."""
    suffix = Path(path).suffix
    if suffix.lower() not in _WRITABLE:
        raise InputError(f"{path} has the suffix {suffix!r}; expected one of {', '.join(_WRITABLE)}")
    return _WRITABLE[suffix.lower()]
