"""Coordinates of a picture for L-BFGS: any value maps into [0, 1], and curvature is similar along every axis.

L-BFGS knows nothing of the curvature before its first steps, and little after them: it takes the fewer, the more alike
curvatures are. Those of losses on a VGG differ between colors and between frequencies. So a coordinate is the
amplitude of a cosine in one of three colors, in units that fit its curvature. The pixels that cosines add up to may
leave [0, 1]; near its ends they are bent into it.
"""

import itertools
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import scipy.fft

from keras_style.internal.tensorflow import tf

MARGIN = 0.02  # ours: how far from 0 and 1 pixels begin to be bent
LEAST = 1 / 256  # ours: to how far from 0 and 1 pixels are moved where it starts; nearer, they could hardly leave

# Ours. Brightness, red against blue, both against green: orthonormal, and nearly the axes on which photographs vary.
COLORS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])

# Ours: the inverse of curvatures along L-BFGS's steps, of each color, by cycles per pixel; between these, and beyond,
# by the logarithm of the frequency. A curvature is the root of the mean square of changes of the gradient over that of
# the steps, as measured on `red_panda` painted after `vangogh_night_cafe` at 512 px with VGG16 and losses of Gram
# matrices, two weightings of them taken together and rounded. The lowest frequencies, which were flatter still, are cut
# off.
FREQUENCIES = np.array([0.014, 0.028, 0.057, 0.1, 0.15, 0.21, 0.3, 0.45])
UNITS = np.array(
    [
        [1.60, 1.60, 1.33, 1.07, 0.80, 0.70, 0.73, 1.00],
        [1.60, 1.60, 1.14, 1.07, 1.14, 1.33, 1.00, 1.23],
        [1.60, 1.07, 0.64, 0.64, 0.89, 1.14, 0.89, 1.33],
    ]
)


# For objectives that these do not fit, such as those with a matting Laplacian: L-BFGS as it would be over pixels.
FLAT_UNITS = np.ones_like(UNITS)

Units: TypeAlias = np.ndarray | None  # of `Coordinates`; None: the coordinates are `Pixels`


class Pixels:
    """Pixels themselves as coordinates, with the methods of `Coordinates`: as published programs have it, unbounded.

    Args:
        shape, move: as for `Coordinates`.
    """

    def __init__(self, shape: tf.Tensor | Sequence[int], move: float):
        self._shape = tf.convert_to_tensor(shape, tf.int32)
        self._unit = move * tf.sqrt(tf.cast(tf.reduce_prod(self._shape), tf.float64))

    def of(self, image: tf.Tensor) -> tf.Tensor:
        """The coordinates (B * H * W * 3,) of pixels (B, H, W, 3)."""
        return tf.reshape(tf.cast(image, tf.float64), [-1]) / self._unit

    def pixels(self, coordinates: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Pixels (B, H, W, 3), and how fast they change with the coordinates."""
        return self._unit * tf.reshape(coordinates, self._shape), self._unit

    def gradient(self, gradient: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
        """The gradient with respect to the coordinates; arguments as for `Coordinates`."""
        return tf.reshape(tf.cast(gradient, tf.float64) * slopes, [-1])


class Coordinates:
    """The coordinates of pictures of one size, in float64; eager or inside a graph.

    Args:
        shape: (B, H, W, 3); a tensor where it is known only when the graph runs.
        move: root mean square of the change of pixels, before they are bent, when the coordinates change by a vector of
            length one, about: `UNITS` are 1 only on average.
        units: (3, number of `FREQUENCIES`), of each color's amplitudes.
    """

    def __init__(self, shape: tf.Tensor | Sequence[int], move: float, units: np.ndarray = UNITS):
        batch, height, width, colors = tf.unstack(tf.convert_to_tensor(shape, tf.int32), num=4)
        self._shape = tf.stack([batch, colors, height, width])
        down, across = (tf.range(side, dtype=tf.float64) / (2 * tf.cast(side, tf.float64)) for side in (height, width))
        frequency = tf.sqrt(tf.square(down[:, None]) + tf.square(across))
        root = tf.sqrt(tf.cast(tf.reduce_prod(self._shape), tf.float64))
        self._units = move * root * _interpolated(units, frequency)

    def of(self, image: tf.Tensor) -> tf.Tensor:
        """The coordinates (B * H * W * 3,) of pixels (B, H, W, 3), which are moved to `LEAST` from 0 and 1."""
        waves = self._waves(straight(_planes(tf.cast(image, tf.float64))))
        return tf.reshape(waves / self._units, [-1])

    def pixels(self, coordinates: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Pixels (B, H, W, 3), and (B, 3, H, W), how fast each changes with the value that was bent into it."""
        waves = self._units * tf.reshape(coordinates, self._shape)
        colors = tf.reshape(_inverse_cosines(waves), [self._shape[0], 3, -1])
        values = tf.matmul(COLORS.T, colors)
        pixels, slopes = bent(tf.reshape(values, self._shape))
        return tf.transpose(pixels, [0, 2, 3, 1]), slopes

    def gradient(self, gradient: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
        """The gradient with respect to the coordinates.

        Args:
            gradient: (B, H, W, 3), with respect to the pixels.
            slopes: as `pixels` gave them.
        """
        waves = self._waves(tf.cast(_planes(gradient), tf.float64) * slopes)
        return tf.reshape(self._units * waves, [-1])

    def _waves(self, planes: tf.Tensor) -> tf.Tensor:
        """Amplitudes (B, 3, H, W) of cosines in `COLORS` of RGB (B, 3, H, W)."""
        colors = tf.matmul(COLORS, tf.reshape(planes, [self._shape[0], 3, -1]))
        return _cosines(tf.reshape(colors, self._shape))


def bent(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Values within [0, 1], the same but for `MARGIN` near its ends, which exponentials approach; and their slopes."""
    inside = tf.clip_by_value(values, MARGIN, 1 - MARGIN)
    beyond = values - inside
    slopes = tf.exp(-tf.abs(beyond) / MARGIN)
    return inside + tf.sign(beyond) * (MARGIN * (1 - slopes)), slopes


def straight(pixels: tf.Tensor) -> tf.Tensor:
    """The values that are `bent` into pixels, which are kept `LEAST` away from 0 and 1."""
    inside = tf.clip_by_value(pixels, MARGIN, 1 - MARGIN)
    beyond = tf.clip_by_value(pixels, LEAST, 1 - LEAST) - inside
    return inside - tf.sign(beyond) * (MARGIN * tf.math.log(1 - tf.abs(beyond) / MARGIN))


def _interpolated(units: np.ndarray, frequency: tf.Tensor) -> tf.Tensor:
    """Units (3, H, W) at frequencies (H, W): linear in their logarithm, constant beyond the ends."""
    known = np.log(FREQUENCIES)
    at = tf.math.log(tf.maximum(frequency, FREQUENCIES[0]))
    passed = tf.stack([tf.clip_by_value(at - low, 0, high - low) for low, high in itertools.pairwise(known)])
    return units[:, :1, None] + tf.tensordot(np.diff(units) / np.diff(known), passed, 1)


def _planes(image: tf.Tensor) -> tf.Tensor:
    return tf.transpose(image, [0, 3, 1, 2])


def _cosines(planes: tf.Tensor) -> tf.Tensor:
    """The orthonormal cosine transform of (B, 3, H, W) down and across: SciPy's, three times as fast, when eager."""
    if tf.executing_eagerly():
        waves = scipy.fft.dctn(planes.numpy(), axes=(2, 3), norm="ortho", overwrite_x=True, workers=-1)
        return tf.convert_to_tensor(waves)
    for _ in range(2):
        planes = tf.transpose(tf.signal.dct(planes, norm="ortho"), [0, 1, 3, 2])
    return planes


def _inverse_cosines(waves: tf.Tensor) -> tf.Tensor:
    """The inverse of `_cosines`."""
    if tf.executing_eagerly():
        planes = scipy.fft.idctn(waves.numpy(), axes=(2, 3), norm="ortho", overwrite_x=True, workers=-1)
        return tf.convert_to_tensor(planes)
    for _ in range(2):
        waves = tf.transpose(tf.signal.idct(waves, norm="ortho"), [0, 1, 3, 2])
    return waves
