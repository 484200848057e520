"""Reading images: a file, a PIL image or an array becomes float32 RGB (height, width, 3) in [0, 1]."""

import contextlib
import io
import logging
import os
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, UnidentifiedImageError

from keras_style import checks
from keras_style.errors import InputError, MissingFileError
from keras_style.images.sizes import check_range, check_size
from keras_style.images.writing import to_pil
from keras_style.internal.paths import user_path

ImageLike: TypeAlias = str | os.PathLike[str] | BinaryIO | Image.Image | np.ndarray

_READABLE = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
_READABLE_TEXT = "PNG, JPEG, WebP, TIFF or BMP"
_ARRAY_TEXT = "an array (height, width, 3), uint8 or floating point in [0, 1]"

# What Pillow calls the pixels -> the color space they are managed in, without alpha.
_COLOR_MODES = {
    **dict.fromkeys(("1", "L", "LA", "La"), "L"),
    **dict.fromkeys(("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr", "HSV"), "RGB"),
    "CMYK": "CMYK",
    "LAB": "LAB",
}
_DEEP_GRAY_MODES = ("I;16", "I;16L", "I;16B", "I", "F")

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Pillow warns of many pixels below `max_pixels()` and names neither side, and takes a profile above 1 MiB for damage.
_MAX_TEXT = 2**26  # bytes; ours: far above the profiles of printers
_OUR_LIMITS: list[tuple[Any, str, int | None]] = [
    (Image, "MAX_IMAGE_PIXELS", None),
    (PngImagePlugin, "MAX_TEXT_CHUNK", _MAX_TEXT),
    (PngImagePlugin, "MAX_TEXT_MEMORY", _MAX_TEXT),
]
logging.getLogger("PIL").addHandler(logging.NullHandler())  # or a damaged TIFF prints a line beside our error

_limits_lock = threading.Lock()
_readers = 0  # how many threads read an image just now
_pillows_limits: list[int | None] = []  # meanwhile

_STRIP = 2**20  # pixels that are converted at once; ours: the temporaries are small, and numpy's calls few


def load(
    image: ImageLike, *, name: str = "image", background: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> np.ndarray:
    """Read any image as RGB.

    Files may be PNG, JPEG, WebP, TIFF or BMP; of several frames or pages the first is read. The EXIF orientation is
    applied, an embedded ICC profile is converted to sRGB (without one, pixels are taken as sRGB; CMYK by Pillow's plain
    formula; Lab as CIELab under D50), and transparent pixels are composited on `background`. Gray images become three
    equal channels; 16-bit gray keeps its precision, while 16-bit color is read with 8 bits, as Pillow does.

    Args:
        image: a path, a binary file object, a PIL image, or an array (height, width, 3), uint8 or floating point in
            [0, 1]. PIL images are treated as files are, profile and orientation included.
        name: how errors call the image, such as "content".
        background: RGB in [0, 1], behind transparent pixels; white by default.

    Returns:
        A new float32 array (height, width, 3) in [0, 1].

    Raises:
        MissingFileError: there is no such file.
        InputError: anything else is wrong with the image: its type, format, data, mode, values or size. A side is at
            least `MIN_SIDE` pixels and the whole at most `MAX_PIXELS`, or what the environment variable
            KERAS_STYLE_MAX_PIXELS says, checked before a file is decoded. A pixel takes 18 bytes, 12 in the result.
    """
    behind = _checked_background(background)
    if isinstance(image, np.ndarray):
        return _from_array(image, name)
    opened, label = decoded(image, name, _ARRAY_TEXT)
    return _to_rgb(opened, label, behind)


def load_pil(image: ImageLike, *, name: str = "image") -> Image.Image:
    """Read any image as an 8-bit RGB PIL image; most photographs are stored so, and stay as they are.

    Args:
        image: as in `load`.
        name: how errors call the image.

    Raises:
        MissingFileError, InputError: as `load`.
    """
    if isinstance(image, np.ndarray):
        return to_pil(_from_array(image, name))
    opened, label = decoded(image, name, _ARRAY_TEXT)
    if opened.mode == "RGB" and not opened.has_transparency_data and not opened.info.get("icc_profile"):
        return opened
    return to_pil(_to_rgb(opened, label, _checked_background((1.0, 1.0, 1.0))))


def decoded(image: str | os.PathLike[str] | BinaryIO | Image.Image, name: str, array: str) -> tuple[Image.Image, str]:
    """A file or PIL image, upright, its pixels as they are stored; and how errors call it.

    Args:
        image: a path, a binary file object or a PIL image.
        name: what it is to the caller, such as "content".
        array: what array the caller takes instead, for the error that lists what is accepted.

    Raises:
        MissingFileError: there is no such file.
        InputError: anything else that is wrong with its type, format, data or size.
    """
    if isinstance(image, Image.Image):
        source = "PIL image"
        with _explained(image, name, source), _own_limits():
            return _decode(image, name, source), f"{name}: {source}"
    if isinstance(image, str | os.PathLike):
        image = user_path(image)
    if isinstance(image, os.PathLike) or hasattr(image, "read"):
        source = _source_name(image)
        if isinstance(image, io.TextIOBase):
            raise InputError(f"{name}: {source} is open as text; expected a binary file object, as open(path, 'rb')")
        with (
            _explained(image, name, source),
            _binary(image, name) as file,
            _own_limits(),
            Image.open(file, formats=_READABLE) as opened,
        ):
            return _decode(opened, name, source), f"{name}: {source}"
    raise InputError(
        f"{name}: an object of type {type(image).__name__}; "
        f"expected a path, a binary file object, a PIL image or {array}"
    )


def _source_name(file: str | os.PathLike[str] | BinaryIO) -> str:
    if isinstance(file, str | os.PathLike):
        return os.fsdecode(file)
    named = getattr(file, "name", None)
    return named if isinstance(named, str) else f"a {type(file).__name__}"


def _binary(file: str | os.PathLike[str] | BinaryIO, name: str) -> contextlib.AbstractContextManager[BinaryIO]:
    if not isinstance(file, str | os.PathLike):
        return contextlib.nullcontext(file)
    mode = os.stat(file).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        # One may never answer, another never end.
        raise InputError(f"{name}: {os.fsdecode(file)} is a pipe, a socket or a device; expected a file")
    # Given a path, Pillow maps uncompressed files into memory, and garbles turned ones (TIFF orientations 5 to 8).
    return open(file, "rb")


def _checked_background(background: tuple[float, float, float]) -> np.ndarray:
    with contextlib.suppress(TypeError, ValueError):  # what is not even numbers
        color = np.asarray(background, np.float32)
        if color.shape == (3,) and ((color >= 0) & (color <= 1)).all():
            return color
    raise InputError(f"background is {checks.shown(background)}; expected three numbers in [0, 1]: red, green, blue")


@contextlib.contextmanager
def _own_limits() -> Iterator[None]:
    """Put our limits in the place of Pillow's.

    Those are of the process: the first thread takes them away, and the last puts them back. None waits for another's
    decoding, or a training would read one file at a time.
    """
    global _readers, _pillows_limits
    with _limits_lock:
        if not _readers:
            _pillows_limits = [getattr(module, name) for module, name, _ in _OUR_LIMITS]
            for module, name, limit in _OUR_LIMITS:
                setattr(module, name, limit)
        _readers += 1
    try:
        yield
    finally:
        with _limits_lock:
            _readers -= 1
            if not _readers:
                for (module, name, _), limit in zip(_OUR_LIMITS, _pillows_limits, strict=True):
                    setattr(module, name, limit)


@contextlib.contextmanager
def _explained(image: str | os.PathLike[str] | BinaryIO | Image.Image, name: str, source: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into one line."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(f"{name}: no such file: {source}") from error
    except IsADirectoryError as error:
        raise InputError(f"{name}: {source} is a directory; expected a file: {_READABLE_TEXT}") from error
    except UnidentifiedImageError as error:
        state = "is empty" if _is_empty(image) else "is not an image that can be read"
        raise InputError(f"{name}: {source} {state}; accepted are {_READABLE_TEXT}") from error
    except Exception as error:  # Pillow's decoders raise almost anything on damaged data
        if isinstance(error, OSError) and error.strerror:  # the operating system's, not a decoder's
            raise InputError(f"{name}: {source} cannot be read: {error.strerror}") from error
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        if "MAX_TEXT_" in reason:
            raise InputError(f"{name}: {source} has more than {_MAX_TEXT:,} bytes of text or profile") from error
        raise InputError(f"{name}: {source} cannot be read, it may be damaged or cut short: {reason}") from error


def _is_empty(image: object) -> bool:
    return isinstance(image, str | os.PathLike) and os.path.getsize(image) == 0


def _decode(image: Image.Image, name: str, source: str) -> Image.Image:
    width, height = image.size
    check_size(height, width, name, source)
    image.load()
    return _upright(image, name, source)


def _upright(image: Image.Image, name: str, source: str) -> Image.Image:
    # ImageOps.exif_transpose also writes the rest of the EXIF data back, and fails where that is odd.
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception as error:
        warnings.warn(f"{name}: {source}: its EXIF data is broken and ignored: {error}", stacklevel=2)
        return image
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


# From Pillow's modes to RGB


def _to_rgb(image: Image.Image, label: str, background: np.ndarray) -> np.ndarray:
    """Strip by strip, so that little is held beside the pixels as they are stored and the result."""
    if image.mode in _DEEP_GRAY_MODES:
        convert = _deep_gray(image, label)
    elif image.mode in _COLOR_MODES:
        convert = _color(image, label)
    else:
        accepted = ", ".join((*_COLOR_MODES, *_DEEP_GRAY_MODES))
        raise InputError(f"{label} has mode {image.mode}; accepted are {accepted}")
    result = np.empty((image.height, image.width, 3), np.float32)
    rows = max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        rgb, alpha = convert(image.crop((0, top, image.width, min(top + rows, image.height))))
        result[top : top + rows] = rgb if alpha is None else rgb * alpha + background * (1 - alpha)
    return result


_Convert: TypeAlias = Callable[[Image.Image], tuple[np.ndarray, np.ndarray | None]]  # a strip to its RGB and alpha


def _color(image: Image.Image, label: str) -> _Convert:
    mode = _COLOR_MODES[image.mode]
    to_srgb = _to_srgb(mode, image.info.get("icc_profile"), label)
    transparent = image.has_transparency_data and mode in ("L", "RGB")

    def convert(strip: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
        if not transparent:
            return _unit(to_srgb(strip.convert(mode))), None
        strip = strip.convert(mode + "A")
        return _unit(to_srgb(strip.convert(mode))), _unit(strip.getchannel("A"))[..., np.newaxis]

    return convert


def _deep_gray(image: Image.Image, label: str) -> _Convert:
    mode, transparent, profile = image.mode, image.info.get("transparency"), image.info.get("icc_profile")
    curve = None
    if profile:
        # LittleCMS through Pillow takes 8 bits: it gives the curve, and interpolation keeps the depth.
        ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis])
        curve = _unit(_to_srgb("L", profile, label)(ramp))[0]

    def convert(strip: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
        values: np.ndarray = np.asarray(strip)
        white = 1 if mode == "F" else 65535
        check_range(values, 0, white, f"{label} (mode {mode})")
        gray = values.astype(np.float32) / np.float32(white)
        alpha = None if transparent is None else (values != transparent)[..., np.newaxis].astype(np.float32)
        if curve is None:
            return gray[..., np.newaxis], alpha
        channels = [np.interp(gray, np.linspace(0, 1, 256), curve[:, channel]) for channel in range(3)]
        return np.stack(channels, axis=-1).astype(np.float32), alpha

    return convert


def _to_srgb(mode: str, profile: bytes | None, label: str) -> Callable[[Image.Image], Image.Image]:
    """Conversion of images of `mode`, by their profile where they have one that fits."""
    if profile:
        try:
            transform = ImageCms.buildTransform(
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
                mode,
                "RGB",
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,  # keeps what both spaces can show as it is
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,  # or the black of CMYK turns gray
            )
            return lambda image: ImageCms.applyTransform(image, transform) or image  # None only for inPlace=True
        except (ImageCms.PyCMSError, OSError) as error:  # broken, or made for another color space
            warnings.warn(f"{label}: its color profile does not fit and is ignored: {error}", stacklevel=2)
    return lambda image: image.convert("RGB")


def _unit(image: Image.Image) -> np.ndarray:
    return np.divide(np.asarray(image), np.float32(255), dtype=np.float32)


# Arrays


def _from_array(array: np.ndarray, name: str) -> np.ndarray:
    came = f"{name}: an array of shape {array.shape} and dtype {array.dtype}"
    if array.ndim != 3 or array.shape[-1] != 3 or not _is_pixel_type(array.dtype):
        raise InputError(f"{came}; expected {_ARRAY_TEXT}")
    height, width, _ = array.shape
    check_size(height, width, name, "the array")
    if array.dtype == np.uint8:
        return np.divide(array, np.float32(255), dtype=np.float32)
    check_range(array, 0, 1, came)
    return array.astype(np.float32)


def _is_pixel_type(dtype: np.dtype) -> bool:
    return dtype == np.uint8 or np.issubdtype(dtype, np.floating)
