"""Images: files, sizes, masks, colors and smoothing. An image is float32 RGB (height, width, 3) in [0, 1]."""

from keras_style.images.reading import ImageLike, decoded, load, load_pil
from keras_style.images.sizes import (
    GRID,
    MAX_PIXELS,
    MIN_SIDE,
    check_range,
    check_size,
    fit,
    fitted_size,
    resize,
)
from keras_style.images.writing import check_writable, encode, format_of, save, to_pil

__all__ = [
    "GRID",
    "MAX_PIXELS",
    "MIN_SIDE",
    "ImageLike",
    "check_range",
    "check_size",
    "check_writable",
    "decoded",
    "encode",
    "fit",
    "fitted_size",
    "format_of",
    "load",
    "load_pil",
    "resize",
    "save",
    "to_pil",
]
