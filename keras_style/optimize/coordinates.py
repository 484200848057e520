"""Coordinates of a picture for L-BFGS: all of them are pixels within [0, 1], and losses bend about alike along each.

L-BFGS knows nothing of the curvature before its first steps, and little after them: it takes the fewer, the more alike
curvatures are. Those of losses on a VGG differ between colors, between frequencies, and between flat and busy parts of
a picture. So a coordinate is the amplitude of a cosine in one of three colors, in units that fit its curvature, and the
sum of cosines is multiplied by what fits the place. The pixels that come of it may leave [0, 1]; near its ends they are
bent into it.
"""

from typing import NamedTuple

import numpy as np
import scipy.fft

MARGIN = 0.02  # ours: how far from 0 and 1 pixels begin to be bent
LEAST = 1 / 256  # ours: to how far from 0 and 1 pixels are moved where it starts; nearer, they could hardly leave

# Ours. Brightness, red against blue, both against green: orthonormal, and nearly the axes on which photographs vary.
COLORS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])

# Ours: how far along each to step, of each color, by cycles per pixel; between these, and beyond, by the logarithm of
# the frequency. Where a coordinate is farther from the minimum than its gradient says, its unit grows by the root of
# that ratio. Measured on `red_panda` painted after `vangogh_night_cafe` at 512 px with VGG16 and losses of Gram
# matrices: the 20th of L-BFGS's pictures, and its 220th for the minimum.
FREQUENCIES = np.array([0.014, 0.028, 0.057, 0.1, 0.15, 0.21, 0.3, 0.45])
UNITS = np.array(
    [
        [3.36, 2.88, 1.77, 1.17, 0.82, 0.67, 0.67, 1.05],
        [1.92, 1.82, 1.21, 1.07, 1.35, 1.96, 1.39, 1.85],
        [1.50, 1.04, 0.63, 0.60, 0.91, 1.56, 1.17, 1.97],
    ]
)

# Ours: pixels step the farther, the more contrast there is around them, by this power of it. There losses bend less:
# measured in the same way, in the same pictures, the power is 0.28, and on a second pair 0.29.
CONTRAST_POWER = 0.3
FINE, AROUND = 2, 4  # pixels, deviations of the Gaussians: contrast is what the fine one takes away, around a pixel
LEAST_CONTRAST = 0.01


class Scaling(NamedTuple):
    """How far L-BFGS steps where.

    Attributes:
        units: (3, number of `FREQUENCIES`), of each color's amplitudes.
        contrast_power: of the contrast around a pixel where it starts; pixels are multiplied by it.
    """

    units: np.ndarray
    contrast_power: float


MEASURED = Scaling(UNITS, CONTRAST_POWER)

# Of objectives that this does not fit, such as those with a matting Laplacian: what L-BFGS would do over pixels.
FLAT = Scaling(np.ones_like(UNITS), 0.0)


class Coordinates:
    """The coordinates of pictures of one size.

    Args:
        start: (B, H, W, 3), the picture to start from.
        move: root mean square of the change of pixels, before they are bent, when the coordinates change by a vector of
            length one, about: `UNITS` are 1 only on average.
        scaling: how far to step where.
    """

    def __init__(self, start: np.ndarray, move: float, scaling: Scaling = MEASURED):
        batch, height, width, colors = start.shape
        self._shape = (batch, colors, height, width)
        frequency = _frequencies(height, width)
        logarithm = np.log(np.maximum(frequency, FREQUENCIES[0]))
        of_waves = np.stack([np.interp(logarithm, np.log(FREQUENCIES), each) for each in scaling.units])
        self._units = move * np.sqrt(start.size) * of_waves
        self._gains = _gains(start.astype(np.float64), frequency, scaling.contrast_power)

    def of(self, image: np.ndarray) -> np.ndarray:
        """The coordinates (B * H * W * 3,) of pixels (B, H, W, 3), which are moved to `LEAST` from 0 and 1."""
        values = straight(image.astype(np.float64)) / self._gains
        waves = scipy.fft.dctn(_colored(values), axes=(2, 3), norm="ortho")
        coordinates: np.ndarray = (waves / self._units).ravel()
        return coordinates

    def pixels(self, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (B, H, W, 3), and how fast each changes with what was bent into it."""
        waves = self._units * coordinates.reshape(self._shape)
        colors = scipy.fft.idctn(waves, axes=(2, 3), norm="ortho", overwrite_x=True, workers=-1)
        return bent(self._gains * (np.moveaxis(colors, 1, -1) @ COLORS))

    def gradient(self, gradient: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """The gradient with respect to the coordinates, of one with respect to pixels; `slopes` as of `pixels`."""
        waves = scipy.fft.dctn(_colored(gradient * slopes * self._gains), axes=(2, 3), norm="ortho", workers=-1)
        return (self._units * waves).ravel()


def bent(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values within [0, 1], the same but for `MARGIN` near its ends, which exponentials approach; and their slopes."""
    near = np.abs(values - 0.5) > 0.5 - MARGIN  # few, as a rule, and exponentials take long
    end = values[near]
    slope = np.exp((0.5 - MARGIN - np.abs(end - 0.5)) / MARGIN)
    pixels, slopes = values.copy(), np.ones_like(values)
    pixels[near], slopes[near] = np.where(end < 0.5, MARGIN * slope, 1 - MARGIN * slope), slope
    return pixels, slopes


def straight(pixels: np.ndarray) -> np.ndarray:
    """What is `bent` into pixels, which are kept `LEAST` away from 0 and 1."""
    pixels = np.clip(pixels, LEAST, 1 - LEAST)
    end = np.minimum(pixels, 1 - pixels)
    over = np.where(end < MARGIN, MARGIN * np.log(MARGIN / end), 0)
    return np.where(over > 0, np.where(pixels < 0.5, MARGIN - over, 1 - MARGIN + over), pixels)


def _frequencies(height: int, width: int) -> np.ndarray:
    """(H, W), in cycles per pixel, of the cosines."""
    down, across = (np.arange(side) / (2 * side) for side in (height, width))
    frequencies: np.ndarray = np.hypot(down[:, None], across)
    return frequencies


def _gains(start: np.ndarray, frequency: np.ndarray, power: float) -> np.ndarray:
    """(B, H, W, 1), of geometric mean 1: the contrast around each pixel to that power."""
    brightness = start @ COLORS[0]
    fine = brightness - _blurred(brightness, frequency, FINE)
    contrast = np.maximum(_blurred(np.square(fine), frequency, AROUND), 0) + LEAST_CONTRAST**2
    logarithm = power / 2 * np.log(contrast)
    gains: np.ndarray = np.exp(logarithm - logarithm.mean(axis=(1, 2), keepdims=True))[..., None]
    return gains


def _blurred(planes: np.ndarray, frequency: np.ndarray, deviation: float) -> np.ndarray:
    """Planes (B, H, W), reflected at their edges, under a Gaussian."""
    waves = scipy.fft.dctn(planes, axes=(1, 2), norm="ortho") * np.exp(-2 * np.square(np.pi * deviation * frequency))
    blurred: np.ndarray = scipy.fft.idctn(waves, axes=(1, 2), norm="ortho")
    return blurred


def _colored(image: np.ndarray) -> np.ndarray:
    """(B, 3, H, W) in `COLORS` of (B, H, W, 3)."""
    return np.ascontiguousarray(np.moveaxis(image @ COLORS.T, -1, 1))
