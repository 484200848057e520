"""Coordinates of a picture for L-BFGS inside a graph: those of `coordinates`, of a size that only the graph knows."""

import itertools
from collections.abc import Callable

import numpy as np

from keras_style.internal.tensorflow import tf
from keras_style.optimize.coordinates import COLORS, FREQUENCIES, LEAST, MARGIN, UNITS


class CoordinatesGraph:
    """`Coordinates` of tensors.

    Args:
        shape: (B, H, W, 3), known when the graph runs.
        move, units: as of `Coordinates`.
    """

    def __init__(self, shape: tf.Tensor, move: float, units: np.ndarray = UNITS):
        batch, height, width = shape[0], shape[1], shape[2]
        self._shape = tf.stack([batch, 3, height, width])
        down, across = (tf.range(side, dtype=tf.float64) / (2 * tf.cast(side, tf.float64)) for side in (height, width))
        frequency = tf.sqrt(tf.square(down[:, None]) + tf.square(across))
        root = tf.sqrt(tf.cast(tf.reduce_prod(shape), tf.float64))
        self._units = move * root * _between(units, tf.math.log(tf.maximum(frequency, FREQUENCIES[0])))

    def of(self, image: tf.Tensor) -> tf.Tensor:
        """The coordinates (B * H * W * 3,) of pixels (B, H, W, 3), which are moved to `LEAST` from 0 and 1."""
        return tf.reshape(_waves(straight(tf.cast(image, tf.float64))) / self._units, [-1])

    def pixels(self, coordinates: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Pixels (B, H, W, 3), and how fast each changes with what was bent into it."""
        waves = self._units * tf.reshape(coordinates, self._shape)
        colors = _along_both_sides(tf.signal.idct, waves)
        return bent(tf.matmul(tf.transpose(colors, [0, 2, 3, 1]), COLORS))

    def gradient(self, gradient: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
        """The gradient with respect to the coordinates, of one with respect to pixels; `slopes` as of `pixels`."""
        return tf.reshape(self._units * _waves(tf.cast(gradient, tf.float64) * slopes), [-1])


def bent(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Values within [0, 1], the same but for `MARGIN` near its ends, which exponentials approach; and their slopes."""
    over = tf.maximum(tf.abs(values - 0.5) - (0.5 - MARGIN), 0)
    slopes = tf.exp(-over / MARGIN)
    return tf.where(over > 0, tf.where(values < 0.5, MARGIN * slopes, 1 - MARGIN * slopes), values), slopes


def straight(pixels: tf.Tensor) -> tf.Tensor:
    """What is `bent` into pixels, which are kept `LEAST` away from 0 and 1."""
    pixels = tf.clip_by_value(pixels, LEAST, 1 - LEAST)
    end = tf.minimum(pixels, 1 - pixels)
    over = MARGIN * tf.math.log(MARGIN / end)
    return tf.where(over > 0, tf.where(pixels < 0.5, MARGIN - over, 1 - MARGIN + over), pixels)


def _between(units: np.ndarray, frequency: tf.Tensor) -> tf.Tensor:
    """Units (3, H, W) at logarithms of frequencies (H, W): each piece of a broken line as far as it is passed."""
    at = np.log(FREQUENCIES)
    passed = tf.stack([tf.clip_by_value(frequency - low, 0, high - low) for low, high in itertools.pairwise(at)])
    return units[:, :1, None] + tf.tensordot(np.diff(units) / np.diff(at), passed, 1)


def _waves(image: tf.Tensor) -> tf.Tensor:
    """Amplitudes (B, 3, H, W) of cosines in `COLORS` of (B, H, W, 3)."""
    return _along_both_sides(tf.signal.dct, tf.transpose(tf.matmul(image, COLORS.T), [0, 3, 1, 2]))


def _along_both_sides(transform: Callable[..., tf.Tensor], planes: tf.Tensor) -> tf.Tensor:
    for _ in range(2):
        planes = tf.transpose(transform(planes, norm="ortho"), [0, 1, 3, 2])
    return planes
