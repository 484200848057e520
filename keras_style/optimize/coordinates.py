"""Coordinates of a picture for L-BFGS: all of them are pixels within [0, 1], and losses bend about alike along each.

L-BFGS knows nothing of the curvature before its first steps, and little after them: it takes the fewer, the more alike
curvatures are. Those of losses on a VGG differ between colors and between frequencies. So a coordinate is the
amplitude of a cosine in one of three colors, in units that fit its curvature. The pixels that cosines add up to may
leave [0, 1]; near its ends they are bent into it.
"""

import numpy as np
import scipy.fft

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


# Of objectives that these do not fit, such as those with a matting Laplacian: what L-BFGS would do over pixels.
FLAT_UNITS = np.ones_like(UNITS)


class Coordinates:
    """The coordinates of pictures of one size.

    Args:
        shape: (B, H, W, 3).
        move: root mean square of the change of pixels, before they are bent, when the coordinates change by a vector of
            length one, about: `UNITS` are 1 only on average.
        units: (3, number of `FREQUENCIES`), of each color's amplitudes.
    """

    def __init__(self, shape: tuple[int, ...], move: float, units: np.ndarray = UNITS):
        batch, height, width, colors = shape
        self._shape = (batch, colors, height, width)
        down, across = (np.arange(side) / (2 * side) for side in (height, width))
        frequency = np.log(np.maximum(np.hypot(down[:, None], across), FREQUENCIES[0]))
        of_waves = np.stack([np.interp(frequency, np.log(FREQUENCIES), each) for each in units])
        self._units = move * np.sqrt(np.prod(shape)) * of_waves

    def of(self, image: np.ndarray) -> np.ndarray:
        """The coordinates (B * H * W * 3,) of pixels (B, H, W, 3), which are moved to `LEAST` from 0 and 1."""
        waves = scipy.fft.dctn(_colored(straight(image.astype(np.float64))), axes=(2, 3), norm="ortho")
        coordinates: np.ndarray = (waves / self._units).ravel()
        return coordinates

    def pixels(self, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (B, H, W, 3), and how fast each changes with what was bent into it."""
        waves = self._units * coordinates.reshape(self._shape)
        colors = scipy.fft.idctn(waves, axes=(2, 3), norm="ortho", overwrite_x=True, workers=-1)
        return bent(np.moveaxis(colors, 1, -1) @ COLORS)

    def gradient(self, gradient: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """The gradient with respect to the coordinates, of one with respect to pixels; `slopes` as of `pixels`."""
        waves = scipy.fft.dctn(_colored(gradient * slopes), axes=(2, 3), norm="ortho", workers=-1)
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


def _colored(image: np.ndarray) -> np.ndarray:
    """(B, 3, H, W) in `COLORS` of (B, H, W, 3)."""
    return np.ascontiguousarray(np.moveaxis(image @ COLORS.T, -1, 1))
