"""The matting Laplacian: how far an image is, window by window, from an affine map of a photograph's colors."""

from collections.abc import Callable, Hashable, Sequence
from functools import cached_property, wraps
from typing import Any, Self

import numpy as np

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses.feature_loss import COUNT, NORMALIZATIONS, FeatureLoss, Statistics, count

# Ours: at 1024 x 1024, strips of 16 to 32 rows take a fifth of the time of whole planes, since they stay in the cache.
_ROWS = 32

# Ours: float64 rounds a flat window's covariance by some 1e-16, which has to be small beside epsilon / |w|.
_NO_SLOPES = 1e12  # a ridge beside which the colors of a window have no say
_SMALLEST_EPSILON = 1e-12


@keras.saving.register_keras_serializable("keras_style")
class MattingLaplacianLoss(FeatureLoss):
    """Sum over the channels c of v_c' L v_c, where v is an image and L the matting Laplacian of a photograph.

    It is the squared distance of v, summed over all windows w inside the photograph, from the closest affine map of its
    colors in that window, plus epsilon times the squared slopes of that map. It holds v to the photograph's edges while
    colors may change, and it vanishes, up to epsilon, where v is such a map.

    L is never built: its product with v is computed by box filters, in float64, since float32 does not resolve the
    default epsilon, and in strips of rows. Time and memory are linear in pixels, and time in the logarithm of the
    radius.

    L is a constant of its photograph: no gradient runs through it. With a mask every window counts as much as the
    least of its positions; zeros and ones leave the windows that lie wholly inside.

    Args:
        image: the photograph (H, W, 3) in [0, 1]. None: it is the target, `y_true`.
        epsilon: ridge on the slopes, divided by the window's area as in Levin's program; at least 1e-12.
        radius: windows are (2 radius + 1) x (2 radius + 1) pixels.
        normalization: "sum": as published; "mean": divided by the pixels H W, or by the sum of the mask.

    Call arguments: `y_true`: the photographs (B or 1, H, W, 3) in [0, 1], ignored if `image` is given; `y_pred`: images
    (B, H, W, 3) in [0, 1].

    Raises:
        InputError: an argument out of range, an image that is not (H, W, 3) in [0, 1], sizes that differ, or a
            photograph smaller than a window.

    Example:
        >>> photograph = keras_style.images.load("photo.jpg")
        >>> loss = keras_style.losses.MattingLaplacianLoss(photograph)
        >>> loss(photograph[None], photograph[None])
        >>> mean = keras_style.losses.MattingLaplacianLoss(normalization="mean")
        >>> keras_style.Term(mean, "image", weight=1e4, target="content")

    Reference: Luan et al., "Deep Photo Style Transfer", CVPR 2017, eq. 2; Levin et al., "A Closed-Form Solution to
    Natural Image Matting", PAMI 2008, eq. 12; without a matrix as in He et al., "Fast Matting Using Large Kernel
    Matting Laplacian Matrices", CVPR 2010.
    """

    bends_pixels = True

    def __init__(
        self,
        image: np.ndarray | None = None,
        epsilon: float = 1e-7,
        radius: int = 1,
        normalization: str = "sum",
        name: str = "matting_laplacian_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.image = None if image is None else _photograph(image)
        self.epsilon = checks.number("epsilon", epsilon, low=_SMALLEST_EPSILON)
        self.radius = checks.whole("radius", radius, 1, 1000)
        self.normalization = checks.choice("normalization", normalization, NORMALIZATIONS)
        if self.image is not None:
            self._check_window(self.image.shape[:2])

    def statistics(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
        if self.image is None:
            return {"image": features, **self._laplacian(tf.stop_gradient(features), mask)}
        own = self._own if mask is None else self._laplacian(tf.constant(self.image[None]), mask)
        return {"image": features, **own}

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        laplacian, image = target or current, current["image"]
        if target is None and self.image is None:
            raise InputError("the matting Laplacian has no photograph; expected an image, or a target")
        if not laplacian["photograph"].shape[1:].is_compatible_with(image.shape[1:]):
            shape = laplacian["photograph"].shape
            raise InputError(f"the photograph of the matting Laplacian has shape {shape}, the image {image.shape}")

        frozen = tf.stop_gradient(image)  # nothing of the product is recorded
        product = _product(laplacian["photograph"], laplacian["windows"], frozen, self.radius)
        value = tf.reduce_sum(tf.cast(frozen, tf.float64) * product, axis=[1, 2, 3])
        if self.normalization == "mean":
            pixels = tf.cast(laplacian[COUNT], tf.float64)
            value, product = value / pixels, product / pixels[:, None, None, None]
        slope = tf.cast(2 * product, image.dtype)  # L is symmetric
        rising = tf.reduce_sum(slope * image, axis=[1, 2, 3])
        return tf.cast(value, image.dtype) + (rising - tf.stop_gradient(rising))  # the value, and the slope

    def key(self) -> Hashable:
        return super().key() if self.image is None else self  # a photograph as text takes longer than a trace

    def magnitude(self, target: Statistics) -> tf.Tensor:
        """Ones: pixels have the same unit on every network, and the photograph itself costs next to nothing."""
        return tf.ones_like(target[COUNT])

    def blend(self, targets: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
        """Refused with InputError: a matting Laplacian is that of one photograph."""
        raise InputError(f"the matting Laplacian is that of one photograph; got {len(targets)} to blend")

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        target = self.statistics(y_true if self.image is None else y_pred)
        return self.distance(target, {"image": y_pred})  # the Laplacian of y_pred is not needed

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "image": keras.saving.serialize_keras_object(self.image),
            "epsilon": self.epsilon,
            "radius": self.radius,
            "normalization": self.normalization,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**{**config, "image": keras.saving.deserialize_keras_object(config["image"])})

    @cached_property
    def _own(self) -> Statistics:
        """The Laplacian of the given image, once for all graphs."""
        assert self.image is not None
        with tf.init_scope():
            return self._laplacian(tf.constant(self.image[None]), None)

    def _laplacian(self, photograph: tf.Tensor, mask: tf.Tensor | None) -> Statistics:
        if photograph.shape[-1] != 3:
            raise InputError(
                f"the photograph of the matting Laplacian has shape {photograph.shape}; expected 3 channels"
            )
        self._check_window(photograph.shape[1:3])
        windows = _windows(photograph, mask, self.epsilon, self.radius)
        return {"photograph": photograph, "windows": windows, COUNT: count(photograph, mask)}

    def _check_window(self, shape: Sequence[int | None]) -> None:
        side = 2 * self.radius + 1
        if any(length is not None and length < side for length in shape):
            height, width = shape
            raise InputError(
                f"a photograph of {width} x {height} pixels has no matting Laplacian of radius {self.radius}; "
                f"expected at least {side} x {side}"
            )


def affine_residual(picture: np.ndarray, photograph: np.ndarray, radius: int = 1) -> float:
    """The part of a picture's variance within windows that no affine map of a photograph's colors explains there.

    It is v' L v, summed over the colors v of the picture, L the matting Laplacian of the photograph, divided by the
    same sum for a map that is constant in each window. 0: every window of the picture is an affine map of the
    photograph's colors, as where it was made gray or sepia, or darkened in places; 1: nothing of it is explained.
    Noise of its own is at 5 / 8 in windows of 3 x 3, of whose nine values a map of three colors always meets four.

    Args:
        picture: (H, W, 3), floating point in [0, 1].
        photograph: the same shape and dtype.
        radius: windows are (2 radius + 1) x (2 radius + 1) pixels.

    Returns:
        A number from 0 to 1; 0 for a picture of one color.

    Raises:
        InputError: an image is not that, the shapes differ, or the images are smaller than a window.

    Example:
        >>> photograph = keras_style.images.load("photo.jpg")
        >>> sepia = photograph @ np.array([[0.4, 0.3, 0.2], [0.4, 0.4, 0.3], [0.1, 0.1, 0.1]], "float32")
        >>> keras_style.losses.affine_residual(sepia, photograph) < 1e-3
        True

    Reference: Levin et al., "A Closed-Form Solution to Natural Image Matting", PAMI 2008, eq. 12.
    """
    values = tf.constant(_photograph(picture, "picture"))[None]
    left, whole = (
        float(MattingLaplacianLoss(photograph, epsilon, radius)(values, values)) for epsilon in (1e-7, _NO_SLOPES)
    )
    return left / whole if whole > 0 else 0.0


def _photograph(image: Any, name: str = "image") -> np.ndarray:
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[-1] != 3 or image.dtype.kind != "f":
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"{name} is {got}; expected an array (H, W, 3) of floats in [0, 1]")
    if not (image.size and image.min() >= 0 and image.max() <= 1):
        raise InputError(f"{name} of shape {image.shape} has values outside [0, 1]")
    return image.copy()


def _at_once(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """`function`, compiled when called eagerly, where its many small operations would take seconds.

    In a graph it stays part of that graph, which may have to run as written.
    """
    compiled = tf.function(function, autograph=False, reduce_retracing=True)

    @wraps(function)
    def either(*arguments: Any) -> tf.Tensor:
        return compiled(*arguments) if tf.executing_eagerly() else function(*arguments)

    return either


# A call of its own in every graph: an image's windows are not used, and TensorFlow drops such a call, but not a loop.
@tf.function(autograph=False, reduce_retracing=True)
def _windows(photograph: tf.Tensor, mask: tf.Tensor | None, epsilon: float, radius: int) -> tf.Tensor:
    """Mean color, inverse covariance and weight of each window, float64 (B, H - 2 radius, 10, W - 2 radius).

    Of the inverse covariance, times the window's weight, it is the upper triangle.
    """
    area = (2 * radius + 1) ** 2
    batch, height, width, _ = tf.unstack(tf.shape(photograph))
    weight = tf.constant(1, tf.float64) if mask is None else _least(tf.cast(mask, tf.float64), 2 * radius + 1)
    weight = tf.broadcast_to(weight, [batch, height - 2 * radius, width - 2 * radius])

    def strip(start: tf.Tensor, stop: tf.Tensor) -> list[tf.Tensor]:
        colors = _channels(photograph, start, stop + 2 * radius)
        means = [_gather(color, radius) / area for color in colors]
        upper = []
        for i in range(3):
            for j in range(i, 3):
                covariance = _gather(colors[i] * colors[j], radius) / area - means[i] * means[j]
                upper.append(covariance + epsilon / area if i == j else covariance)
        counts = weight[:, start:stop]
        return [*means, *(counts * entry for entry in _inverse(*upper)), counts]

    return _by_strips(strip, photograph, radius, planes=10, overlap=0)


@_at_once
def _product(photograph: tf.Tensor, windows: tf.Tensor, image: tf.Tensor, radius: int) -> tf.Tensor:
    """L v, float64 (B, H, W, 3).

    Each window fits an affine map of the colors to v; L v is the sum of the residuals of all windows around a pixel.
    """
    area = (2 * radius + 1) ** 2

    def strip(start: tf.Tensor, stop: tf.Tensor) -> list[tf.Tensor]:
        colors = _channels(photograph, start, stop + 2 * radius)
        *means, rr, rg, rb, gg, gb, bb, weight = tf.unstack(windows[:, start:stop], 10, axis=2)
        covered = _scatter(weight, radius)
        rows = []
        for value in _channels(image, start, stop + 2 * radius):
            mean = _gather(value, radius) / area
            r, g, b = (_gather(colors[i] * value, radius) / area - means[i] * mean for i in range(3))
            slopes = (rr * r + rg * g + rb * b, rg * r + gg * g + gb * b, rb * r + gb * g + bb * b)
            constant = weight * mean - slopes[0] * means[0] - slopes[1] * means[1] - slopes[2] * means[2]
            left = covered * value - _scatter(constant, radius)
            for slope, color in zip(slopes, colors, strict=True):
                left -= _scatter(slope, radius) * color
            rows.append(left)
        return rows

    product = _by_strips(strip, image, radius, planes=3, overlap=2 * radius)
    return tf.transpose(product, [0, 1, 3, 2])


def _by_strips(
    strip: Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]], image: tf.Tensor, radius: int, planes: int, overlap: int
) -> tf.Tensor:
    """Join the results of `strip(start, stop)` over rows of windows: (B, rows + overlap, planes, any).

    Args:
        strip: `planes` planes (B, stop - start + overlap, any), float64.
        image: (B, H, W, 3), cut into H - 2 radius rows of windows.
        radius: that of the windows.
        planes: how many planes `strip` returns.
        overlap: the last rows of a strip, added to the first of the next: 0, or 2 radius for sums over windows.
    """
    batch, height, width, _ = tf.unstack(tf.shape(image))
    height, width = height - 2 * radius, width - 2 * radius + overlap
    rows = max(_ROWS, 4 * radius)  # so that the pixels two strips share remain few
    shared = tf.zeros([overlap, batch, planes, width], tf.float64)
    done = tf.TensorArray(
        tf.float64, -(-height // rows) + 1, element_shape=[None, *shared.shape[1:]], infer_shape=False
    )

    def step(index: tf.Tensor, shared: tf.Tensor, done: tf.TensorArray) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
        start = index * rows
        stop = tf.minimum(start + rows, height)
        part = tf.transpose(tf.stack(strip(start, stop), axis=2), [1, 0, 2, 3])
        part = tf.concat([part[:overlap] + shared, part[overlap:]], axis=0)
        ready = stop - start
        return index + 1, tf.ensure_shape(part[ready:], shared.shape), done.write(index, part[:ready])

    index, shared, done = tf.while_loop(
        lambda index, *_: index * rows < height, step, (tf.constant(0), shared, done), parallel_iterations=1
    )
    return tf.transpose(done.write(index, shared).concat(), [1, 0, 2, 3])


def _gather(plane: tf.Tensor, radius: int) -> tf.Tensor:
    """Sums (B, H - 2 radius, W - 2 radius) over the windows of a plane (B, H, W)."""
    return _sums(_sums(plane, 2 * radius + 1, axis=1), 2 * radius + 1, axis=2)


def _scatter(plane: tf.Tensor, radius: int) -> tf.Tensor:
    """The transpose of `_gather`: add each window's value to all of its positions."""
    margin = [2 * radius] * 2
    return _gather(tf.pad(plane, [[0, 0], margin, margin]), radius)


def _channels(image: tf.Tensor, start: tf.Tensor, stop: tf.Tensor) -> list[tf.Tensor]:
    """Split rows of (B, H, W, 3) into three planes (B, stop - start, W), float64."""
    return tf.unstack(tf.cast(image[:, start:stop], tf.float64), 3, axis=-1)


def _least(plane: tf.Tensor, side: int) -> tf.Tensor:
    """The minimum in each window of (B, H, W)."""
    columns = tf.nn.max_pool2d(-plane[..., None], [side, 1], 1, "VALID")
    return -tf.nn.max_pool2d(columns, [1, side], 1, "VALID")[..., 0]


def _sums(plane: tf.Tensor, length: int, axis: int) -> tf.Tensor:
    """Sums of `length` neighbors, by doubling: log2(length) additions, and none of the rounding of running sums."""
    if length == 1:
        return plane

    def shifted(plane: tf.Tensor, first: int, last: int | None) -> tf.Tensor:
        return plane[:, first:last] if axis == 1 else plane[:, :, first:last]

    half = length // 2
    halves = _sums(plane, half, axis)
    pairs = shifted(halves, 0, -half) + shifted(halves, half, None)
    return pairs if length % 2 == 0 else shifted(pairs, 0, -1) + shifted(plane, length - 1, None)


def _inverse(
    rr: tf.Tensor, rg: tf.Tensor, rb: tf.Tensor, gg: tf.Tensor, gb: tf.Tensor, bb: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """Upper triangle of the inverse of a positive definite 3 x 3 matrix, plane by plane.

    By L D L': the determinant of a window with a gray edge, or with one color line, would cancel to its last digits.
    """
    d1 = 1 / rr
    l21, l31 = rg * d1, rb * d1
    d2 = 1 / (gg - l21 * rg)
    rest = gb - l31 * rg
    l32 = rest * d2
    d3 = 1 / (bb - l31 * rb - l32 * rest)
    k31 = l21 * l32 - l31  # of the inverse of L
    return (
        d1 + l21 * l21 * d2 + k31 * k31 * d3,
        -l21 * d2 - k31 * l32 * d3,
        k31 * d3,
        d2 + l32 * l32 * d3,
        -l32 * d3,
        d3,
    )
