"""A picture made, patch by patch, an affine map of a photograph's colors: the smoothing after photographic transfer.

Images are (height, width, 3), RGB in [0, 1], float32 or float64: arrays or tensors, also inside a graph.

Reference:
    Luan, Paris, Shechtman, Bala, "Deep Photo Style Transfer", CVPR 2017, supplementary program.
    He, Sun, Tang, "Guided Image Filtering", PAMI 2013, eq. 19-22.
"""

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf

# Boxes of this radius spread like the Gaussian of standard deviation 5 with which Luan et al. weight their average of
# maps, 15 pixels to each side, on pictures whose long side is 700: r (r + 1) / 3 = 5^2.
RADIUS = 8
LONG_SIDE = 700

# Of the posterization refinement: eps = 0.1^2, beside r = 8, in luanfujun/deep-photo-styletransfer @4801fa2,
# gen_laplacian/refine_posterization.m:3-4. Weaker than the smoothing: detail of a tenth of the range is detail.
DETAIL_EPSILON = 0.01

# Ours: the square of 2.5 levels of 8 bits. Detail of that deviation keeps at least half its contrast.
EPSILON = 1e-4


def smooth(picture: tf.Tensor, photograph: tf.Tensor, radius: int | None = None, epsilon: float = EPSILON) -> tf.Tensor:
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
        radius: windows are (2 radius + 1) x (2 radius + 1) pixels; None: 8 for a long side of 700, in proportion. A
            graph of any size needs a number (`default_radius`).
        epsilon: ridge on the slopes, to be compared with the variance of the photograph's colors in a window.

    Returns:
        A tensor (height, width, 3), of the dtype of `picture`.

    Raises:
        InputError: the shapes differ, or an argument out of range.

    Example:
        >>> from keras_style.images import smoothing
        >>> photograph = keras_style.images.load("photo.jpg")
        >>> painted = keras_style.transfer(photograph, "painting.png", size=max(photograph.shape)).array
        >>> smoothed = smoothing.smooth(painted, photograph).numpy()
    """
    _check_shapes(picture, photograph)
    return _clipped(guided(picture, photograph, radius, epsilon), picture.dtype)


def refine(
    picture: tf.Tensor, photograph: tf.Tensor, radius: int | None = None, epsilon: float = DETAIL_EPSILON
) -> tf.Tensor:
    """A picture with the photograph's fine detail added, clipped to [0, 1]: the posterization refinement.

    J + I - G(I, I), where G is the color guided filter of the photograph I, guided by itself. What a picture J has lost
    to flat patches of color comes back; what it has kept of the detail gets stronger.

    Args:
        picture: (height, width, 3) in [0, 1].
        photograph: the same shape.
        radius, epsilon: of the guided filter, as for `smooth`.

    Returns:
        A tensor (height, width, 3), of the dtype of `picture`.

    Raises:
        InputError: the shapes differ, or an argument out of range.

    Example:
        >>> from keras_style.images import smoothing
        >>> photograph = keras_style.images.load("photo.jpg")
        >>> posterized = np.round(photograph * 4) / 4
        >>> refined = smoothing.refine(posterized, photograph).numpy()

    Reference: luanfujun/deep-photo-styletransfer @4801fa2, gen_laplacian/refine_posterization.m.
    """
    _check_shapes(picture, photograph)
    detail = tf.cast(photograph, tf.float64) - guided(photograph, photograph, radius, epsilon)
    return _clipped(tf.cast(picture, tf.float64) + detail, picture.dtype)


def guided(picture: tf.Tensor, photograph: tf.Tensor, radius: int | None = None, epsilon: float = EPSILON) -> tf.Tensor:
    """The color guided filter, as in `smooth`, but of any number of channels, and not clipped: float64."""
    if radius is None:
        radius = default_radius(max(picture.shape[:2]))
    radius = checks.whole("radius", radius, 1, 10**6)
    epsilon = checks.number("epsilon", epsilon, low=1e-9)  # far above what float64 leaves of a flat window's covariance
    # Colors as columns: (height, width, 3, 1).
    values, colors = (tf.cast(image, tf.float64)[..., None] for image in (picture, photograph))
    inside = _box(tf.ones_like(colors[..., :1, 0]), radius)

    def mean(matrices: tf.Tensor) -> tf.Tensor:
        """Means over windows of (height, width, any, any)."""
        size = tf.shape(matrices)
        planes = tf.reshape(matrices, [size[0], size[1], matrices.shape[2] * matrices.shape[3]])
        return tf.reshape(_box(planes, radius) / inside, size)

    mean_color, mean_value = mean(colors), mean(values)
    covariance = mean(_outer(colors, colors)) - _outer(mean_color, mean_color)
    joint = mean(_outer(colors, values)) - _outer(mean_color, mean_value)
    slopes = tf.linalg.solve(covariance + epsilon * tf.eye(3, dtype=tf.float64), joint)
    constants = mean_value - _applied(slopes, mean_color)
    return (_applied(mean(slopes), colors) + mean(constants))[..., 0]


def _check_shapes(picture: tf.Tensor, photograph: tf.Tensor) -> None:
    if not tf.TensorShape(picture.shape).is_compatible_with(photograph.shape):
        raise InputError(
            f"the picture has shape {tuple(picture.shape)} and the photograph {tuple(photograph.shape)}; "
            "expected equal shapes"
        )


def _clipped(image: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(image, 0, 1), dtype)


def default_radius(long_side: int) -> int:
    """The radius for a picture of that long side, in pixels."""
    return max(1, round(RADIUS / LONG_SIDE * long_side))


def _box(planes: tf.Tensor, radius: int) -> tf.Tensor:
    """Sums over windows (2 radius + 1) x (2 radius + 1) of (height, width, any), cropped at the border."""
    for _ in range(2):
        sums = tf.pad(tf.cumsum(planes, axis=0), [[1, 0], [0, 0], [0, 0]])
        number = tf.shape(planes)[0]
        at = tf.range(number)
        window = tf.gather(sums, tf.minimum(at + radius + 1, number)) - tf.gather(sums, tf.maximum(at - radius, 0))
        planes = tf.transpose(window, [1, 0, 2])
    return planes


def _outer(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    return tf.matmul(left, right, transpose_b=True)


def _applied(slopes: tf.Tensor, colors: tf.Tensor) -> tf.Tensor:
    return tf.matmul(slopes, colors, transpose_a=True)
