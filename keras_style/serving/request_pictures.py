"""The form in which a request carries a picture: an encoded file, 8-bit pixels or float pixels."""

import io
import os
from typing import TypeAlias

import numpy as np
from PIL import ExifTags, Image

from keras_style import images
from keras_style.errors import InputError
from keras_style.internal.paths import user_path

Picture: TypeAlias = bytes | str | os.PathLike[str] | Image.Image | np.ndarray

# In the order of precision.
BYTES, UINT8, FLOAT = FORMS = ("bytes", "uint8", "float")


def form(picture: Picture, name: str) -> str:
    """The form that loses nothing of a picture: an encoded file as it is, or pixels with their depth.

    Raises:
        InputError: the object is no kind of picture.
    """
    if isinstance(picture, bytes | str | os.PathLike):
        return BYTES
    if isinstance(picture, Image.Image):
        return UINT8
    if isinstance(picture, np.ndarray):
        return UINT8 if picture.dtype == np.uint8 else FLOAT
    raise InputError(
        f"{name}: an object of type {type(picture).__name__}; "
        "expected bytes, a path, a PIL image or an array (height, width, 3)"
    )


def is_one(value: object) -> bool:
    """Whether a value is one picture where several are expected. (Most kinds of picture are iterable, too.)"""
    picture = isinstance(value, bytes | str | os.PathLike | Image.Image)
    return picture or (isinstance(value, np.ndarray) and value.ndim < 4)


def payload(picture: Picture, wanted: str, name: str) -> np.ndarray | bytes:
    """The picture in the form that is wanted.

    Bytes are sent as they are, and judged by the server. A file is sent as it is if an exported model reads the same
    pixels from it as `keras_style.images.load`: a JPEG or PNG without a color profile. Any other file (with a profile,
    CMYK, WebP, TIFF, ...) is read here and sent as an 8-bit PNG.

    Args:
        picture: as in `StyleClient.stylize`.
        wanted: one of `FORMS`.
        name: the picture's name in errors.

    Returns:
        bytes; or uint8 or float32 (1, H, W, 3).

    Raises:
        MissingFileError, InputError: as `keras_style.images.load`. Bytes are refused only if they are empty.
    """
    if wanted == BYTES:
        return _encoded(picture, name)
    source = io.BytesIO(picture) if isinstance(picture, bytes) else picture
    if wanted == UINT8:
        return np.asarray(images.load_pil(source, name=name))[np.newaxis]
    return images.load(source, name=name)[np.newaxis]


def _encoded(picture: Picture, name: str) -> bytes:
    if isinstance(picture, bytes):
        if not picture:
            raise InputError(f"{name}: no bytes; expected those of an image file")
        return picture
    if isinstance(picture, str | os.PathLike):
        picture = user_path(picture)
        if _is_read_alike(picture):
            return picture.read_bytes()
    buffer = io.BytesIO()
    # Level 3 takes half the time of the usual level for a few percent more bytes.
    images.load_pil(picture, name=name).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


# {format: Pillow's modes} that an exported model decodes as Python does. It applies the EXIF orientation of JPEGs only.
_ALIKE = {"JPEG": ("RGB", "L"), "PNG": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")}


def _is_read_alike(path: str | os.PathLike[str]) -> bool:
    """Whether an exported model decodes the same pixels as `keras_style.images.load`; reads only the header."""
    try:
        with Image.open(path, formats=tuple(_ALIKE)) as image:
            images.check_size(image.height, image.width, "", "")
            if image.format == "PNG" and image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
                return False
            return image.mode in _ALIKE[image.format or ""] and "icc_profile" not in image.info
    except Exception:  # `images.load` explains whatever is wrong with the file
        return False
