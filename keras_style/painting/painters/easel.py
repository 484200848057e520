"""A photograph painted by a painter: sizes, blends, strength, strokes and colors, as a result."""

import time
from typing import Any

import numpy as np

from keras_style import checks, images
from keras_style.errors import InputError
from keras_style.images import ImageLike
from keras_style.painting.painters.brush import with_stroke
from keras_style.painting.parameters import CHECKS, MAX_SIZE
from keras_style.painting.result import TransferResult


def painted(
    network: Any,
    photo: ImageLike,
    row: np.ndarray,
    size: int | None,
    strength: float | None,
    stroke: float | None,
    preserve_color: str | None,
) -> TransferResult:
    """A photograph painted by a row (N,); the other arguments are those of `Painter.paint`, or None."""
    began = time.perf_counter()
    strength = 1.0 if strength is None else CHECKS["strength"]("strength", strength)
    stroke = 1.0 if stroke is None else CHECKS["stroke"]("stroke", stroke)
    if preserve_color is not None:
        checks.choice("preserve_color", preserve_color, checks.PRESERVE_COLOR)
    if size is not None:
        checks.whole("size", size, images.MIN_SIDE, MAX_SIZE)
    picture = images.load(photo, name="photo")
    if size is not None:
        picture = images.resize(picture, *images.fitted_size(picture.shape[0], picture.shape[1], size))
    if min(picture.shape[:2]) < images.MIN_SIDE:
        raise InputError(
            f"size {size}: the picture would be {picture.shape[1]} x {picture.shape[0]} pixels; expected sides of at "
            f"least {images.MIN_SIDE}"
        )
    array = finished(network, picture, row, strength, stroke, preserve_color)
    settings = {
        "size": max(array.shape[:2]),
        "strength": strength,
        "stroke": stroke,
        "preserve_color": preserve_color,
    }
    return TransferResult(array, {"loss": []}, settings, time.perf_counter() - began)


def finished(
    network: Any, picture: np.ndarray, row: np.ndarray, strength: float, stroke: float, preserve_color: str | None
) -> np.ndarray:
    """A picture (H, W, 3) painted by a row (N,), float32 in [0, 1]."""
    if strength == 0:
        return picture
    answer = with_stroke(network, picture, row, stroke)
    if preserve_color is not None:
        answer = _recolored(answer, picture, preserve_color)
    return answer if strength == 1 else mixed(picture, answer, strength)


def mixed(picture: np.ndarray, answer: np.ndarray, strength: float) -> np.ndarray:
    """Between a photograph and a painting of it."""
    result: np.ndarray = picture + np.float32(strength) * (answer - picture)
    return result.clip(0, 1)


def _recolored(answer: np.ndarray, picture: np.ndarray, how: str) -> np.ndarray:
    from keras_style.images import color
    from keras_style.internal.tensorflow import tf

    with tf.device("CPU:0"):  # whose linear algebra a GPU may not have
        recolored = color.restore_chroma(answer, picture) if how == "luminance" else color.match(answer, picture)
        return np.asarray(recolored.numpy(), np.float32)
