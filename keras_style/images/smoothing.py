"""A picture made, patch by patch, an affine map of a photograph's colors: the smoothing after photographic transfer.

Reference:
    Luan, Paris, Shechtman, Bala, "Deep Photo Style Transfer", CVPR 2017, supplementary program.
    He, Sun, Tang, "Guided Image Filtering", PAMI 2013, eq. 19-22.

Images are arrays (height, width, 3), RGB in [0, 1], float32 or float64.
"""

import numpy as np
from scipy import ndimage

from keras_style import checks
from keras_style.errors import InputError

# Boxes of this radius spread like the Gaussian of standard deviation 5 with which Luan et al. weight their average of
# maps, 15 pixels to each side, on pictures whose long side is 700: r (r + 1) / 3 = 5^2.
RADIUS = 8
LONG_SIDE = 700

# Ours: the square of 2.5 levels of 8 bits. Detail of that deviation keeps at least half its contrast.
EPSILON = 1e-4


def smooth(
    picture: np.ndarray, photograph: np.ndarray, radius: int | None = None, epsilon: float = EPSILON
) -> np.ndarray:
    """The color guided filter of a picture, guided by the photograph, clipped to [0, 1].

    In the window around each pixel the affine map of the photograph's colors that is closest to the picture is found;
    each pixel takes the mean of the maps of all windows around it, applied to its color in the photograph. So what the
    picture has of edges and grain that are not the photograph's goes, and the photograph's come back.

    Luan et al. fit the maps to 3 x 3 pixels, with a ridge of 1e-3, and average them with weights that fall with the
    distance and with the difference in color (joint bilateral filter of the 12 coefficients, 15 pixels to each side).
    Here windows are larger, and all maps in a box count alike: without exponentials, and in a time that does not
    depend on the radius. At the border windows are cropped.

    Args:
        picture: (height, width, 3) in [0, 1].
        photograph: the same shape.
        radius: windows are (2 radius + 1) x (2 radius + 1) pixels; None: 8 for a long side of 700, in proportion.
        epsilon: ridge on the slopes, to be compared with the variance of the photograph's colors in a window.

    Returns:
        (height, width, 3), of the dtype of `picture`.

    Raises:
        InputError: the shapes differ, or an argument out of range.

    Example:
        >>> from keras_style.images import smoothing
        >>> photograph = keras_style.images.load("photo.jpg")
        >>> painted = keras_style.transfer(photograph, "painting.png", size=max(photograph.shape)).array
        >>> smoothed = smoothing.smooth(painted, photograph)
    """
    if picture.shape != photograph.shape:
        raise InputError(
            f"the picture has shape {picture.shape} and the photograph {photograph.shape}; expected equal shapes"
        )
    if radius is None:
        radius = default_radius(max(picture.shape[:2]))
    side = 2 * checks.whole("radius", radius, 1, 10**6) + 1
    epsilon = checks.number("epsilon", epsilon, low=1e-9)  # far above what float64 leaves of a flat window's covariance
    inside = _box(np.ones(picture.shape[:2]), side)

    def mean(image: np.ndarray) -> np.ndarray:
        return _box(image, side) / inside.reshape(inside.shape + (1,) * (image.ndim - 2))

    values, colors = picture.astype(np.float64), photograph.astype(np.float64)
    mean_color, mean_value = mean(colors), mean(values)
    covariance = mean(_outer(colors, colors)) - _outer(mean_color, mean_color)
    joint = mean(_outer(colors, values)) - _outer(mean_color, mean_value)
    slopes = np.linalg.solve(covariance + epsilon * np.eye(3), joint)
    constants = mean_value - _applied(slopes, mean_color)
    smoothed = _applied(mean(slopes), colors) + mean(constants)
    return smoothed.clip(0, 1).astype(picture.dtype, copy=False)


def default_radius(long_side: int) -> int:
    """The radius for a picture of that long side, in pixels."""
    return max(1, round(RADIUS / LONG_SIDE * long_side))


def _box(image: np.ndarray, side: int) -> np.ndarray:
    """Sums over windows, up to a factor, with zeros beyond the border."""
    return ndimage.uniform_filter(image, side, mode="constant", axes=(0, 1))


def _outer(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return left[..., :, np.newaxis] * right[..., np.newaxis, :]


def _applied(slopes: np.ndarray, colors: np.ndarray) -> np.ndarray:
    return np.einsum("hwij,hwi->hwj", slopes, colors)
