"""A picture as a request carries it: an encoded file, 8-bit pixels or float pixels."""

import io
import os
from typing import TypeAlias

import numpy as np
from PIL import ExifTags, Image

from keras_style import images
from keras_style.errors import InputError

Picture: TypeAlias = bytes | str | os.PathLike[str] | Image.Image | np.ndarray

# From the form that says the least about a picture to the one that says the most.
BYTES, UINT8, FLOAT = FORMS = ("bytes", "uint8", "float")


def form(picture: Picture, name: str) -> str:
    """The form in which nothing of a picture is lost: encoded as it is, or its pixels with their depth.

    Raises:
        InputError: it is none of the kinds of picture.
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
    """Whether this is a picture itself, where several are expected; most pictures can be iterated, too."""
    picture = isinstance(value, bytes | str | os.PathLike | Image.Image)
    return picture or (isinstance(value, np.ndarray) and value.ndim < 4)


def payload(picture: Picture, wanted: str, name: str) -> np.ndarray | bytes:
    """The picture in the form that is wanted.

    Bytes are sent as they are, whatever they are: the server says what it thinks of them. So is a file whose pixels an
    exported model sees as `keras_style.images.load` does: a JPEG or PNG without a color profile. Any other one (with a
    profile, CMYK, WebP, TIFF, ...) is read here and sent as an 8-bit PNG.

    Returns:
        bytes; or uint8 or float32 (1, H, W, 3).

    Raises:
        MissingFileError, InputError: as `keras_style.images.load`; no bytes are checked but for being there.
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
    if isinstance(picture, str | os.PathLike) and _is_read_alike(picture):
        with open(picture, "rb") as file:
            return file.read()
    buffer = io.BytesIO()
    # Pixels travel once: half the time of the usual level for a few percent more bytes.
    images.load_pil(picture, name=name).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


# Of formats that a SavedModel of this package decodes. It turns JPEGs as their EXIF data says, but not PNGs.
_ALIKE = {"JPEG": ("RGB", "L"), "PNG": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")}


def _is_read_alike(path: str | os.PathLike[str]) -> bool:
    """Whether the decoder of an exported model sees what is seen here; only the header is read."""
    try:
        with Image.open(path, formats=tuple(_ALIKE)) as image:
            images.check_size(image.height, image.width, "", "")
            if image.format == "PNG" and image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
                return False
            return image.mode in _ALIKE[image.format or ""] and "icc_profile" not in image.info
    except Exception:  # whatever is wrong with the file: `images.load` says it well
        return False
