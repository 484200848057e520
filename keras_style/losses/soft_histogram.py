"""Soft histograms of each channel, and the base class of the losses between them.

A value counts towards the two nearest bin centers by linear interpolation. The histogram is piecewise linear in the
values, and the derivative of a loss by a value is looked up in a table of bins x channels: no array of positions x bins
is ever formed.

Reference: Ustinova & Lempitsky, "Learning Deep Embeddings with Histogram Loss", NeurIPS 2016, section 3.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_style import checks
from keras_style.internal.tensorflow import tf
from keras_style.internal.with_gradient import with_gradient
from keras_style.losses.feature_loss import WEIGHTS, FeatureLoss, Statistics, vectors, weights

VECTORS = "vectors"
_LOW, _HIGH = "low", "high"
_SORTED, _SUMMED_WEIGHTS, _SUMMED_VALUES = "sorted", "summed_weights", "summed_values"

_MOST_BITS = 50  # of a position's unit weight in fixed point: a double has 53


class DistributionLoss(FeatureLoss):
    """A distance between the distributions of each channel, averaged over the channels; subclasses say which.

    The bin centers of a channel divide the range of both sides evenly: from the smaller minimum to the larger maximum,
    so that the loss is symmetric. The range is held constant in the gradient. A channel counts as constant, and adds
    nothing, where its range is too narrow for its dtype to tell the bins apart.

    Both histograms are float64. The image's is summed in integers, so that equal features give equal bits in whatever
    order threads add them. The target's is read off its sorted values once the range is known, which costs
    channels x bins searches rather than a pass over the positions.

    Args:
        bins: number of bin centers, from 2 to 4096.
    """

    def __init__(self, bins: int, name: str, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.bins = checks.whole("bins", bins, 2, 4096)

    def between(self, p: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
        """Distance (B, C) of distributions (B, C, bins), in float64."""
        raise NotImplementedError

    def statistics(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
        """All vectors with their weights and range, for the image; sorted values with their sums, for the target.

        A `tf.function` computes only what `distance` uses. Eagerly, the sort takes most of the time. The statistics of
        a target in float32 are six times the size of its features.
        """
        return _represented(vectors(features), weights(features, mask))

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        assert target is not None
        low, step = centers(
            tf.minimum(target[_LOW], current[_LOW]), tf.maximum(target[_HIGH], current[_HIGH]), self.bins
        )
        p = soft_histogram(current[VECTORS], current[WEIGHTS], low, step, self.bins)
        q = histogram_of_sums(target, low, step, self.bins)
        return tf.cast(tf.reduce_mean(self.between(p, q), axis=1), current[VECTORS].dtype)

    def magnitude(self, target: Statistics) -> tf.Tensor:
        """Ones (B,): a distance between distributions has no unit."""
        return tf.ones_like(target[_LOW][:, 0])

    def blend(self, targets: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
        """The mixture of the distributions: all vectors together, each style's with its weight in all."""
        shares = [
            weight * target[WEIGHTS] / tf.reduce_sum(target[WEIGHTS], axis=1, keepdims=True)
            for target, weight in zip(targets, weights, strict=True)
        ]
        return _represented(tf.concat([target[VECTORS] for target in targets], axis=1), tf.concat(shares, axis=1))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bins": self.bins}


def centers(low: tf.Tensor, high: tf.Tensor, bins: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The first bin center and the step from one to the next, (B, C) in float64.

    The step is 0 where `bins` centers cannot be told apart in the dtype of the range, and not finite where the range is
    not.
    """
    dtype = low.dtype.as_numpy_dtype
    least = float(np.finfo(dtype).tiny) ** 0.75  # the reciprocal of a step is a number in a gradient of that dtype
    low, high = tf.cast(low, tf.float64), tf.cast(high, tf.float64)
    width = high - low
    flat = width <= bins * (float(np.finfo(dtype).eps) * tf.maximum(tf.abs(low), tf.abs(high)) + least)
    step = tf.where(flat & tf.math.is_finite(width), tf.zeros_like(width), width / (bins - 1))
    return tf.stop_gradient(low), tf.stop_gradient(step)


def soft_histogram(values: tf.Tensor, weights: tf.Tensor, low: tf.Tensor, step: tf.Tensor, bins: int) -> tf.Tensor:
    """Shares (B, C, bins) of the values at each bin center, in float64, by linear interpolation.

    The derivative by a value is its share of the weights times (g[bin + 1] - g[bin]) / step, where g is the derivative
    by the histogram: at a center the right-hand one, at the last center the left-hand one. Sums are of integers, the
    same bits in any order; range and weights are constants.

    Args:
        values: (B, M, C), from `low` to `low + (bins - 1) step`, except those of weight 0.
        weights: (B, M) in [0, 1], of each position.
        low: first center of each channel (B, C), in float64.
        step: from one center to the next (B, C), in float64; 0: all values are at the first.
        bins: number of centers.
    """
    return _interpolated(values, weights, low, step, tf.constant(bins))


@with_gradient
def _interpolated(
    values: tf.Tensor, weights: tf.Tensor, low: tf.Tensor, step: tf.Tensor, bins: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor | None, ...]]]:
    between = bins - 1
    scale = tf.math.reciprocal_no_nan(step)
    shape = tf.shape(values)
    first = tf.reshape(tf.range(shape[0] * shape[2]) * between, [shape[0], 1, shape[2]])
    unit = _unit(shape[1], bins)
    units = tf.floor(tf.cast(weights, tf.float64) * unit)[:, :, None]

    at = (tf.cast(values, tf.float64) - low[:, None]) * scale[:, None]
    # NaN gets some bin here, and becomes NaN again below.
    bin_of = tf.raw_ops.ClipByValue(t=tf.cast(at, tf.int32), clip_value_min=0, clip_value_max=between - 1) + first

    def summed(amounts: tf.Tensor) -> tf.Tensor:
        sums = tf.raw_ops.Bincount(arr=bin_of, size=shape[0] * shape[2] * between, weights=amounts)
        return tf.reshape(sums, [shape[0], shape[2], between])

    mass = summed(tf.broadcast_to(tf.cast(units, tf.int64), shape))
    moment = summed(tf.cast(at * units, tf.int64))
    to_next = moment - mass * tf.range(tf.cast(between, tf.int64))
    total = tf.cast(tf.reduce_sum(mass, axis=2, keepdims=True), tf.float64)
    sums = tf.pad(mass - to_next, [[0, 0], [0, 0], [0, 1]]) + tf.pad(to_next, [[0, 0], [0, 0], [1, 0]])
    histogram = tf.cast(sums, tf.float64) / total + (0 * step)[:, :, None]

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        slopes = (upstream[:, :, 1:] - upstream[:, :, :-1]) * (unit / total * scale[:, :, None])
        of_values = tf.gather(tf.reshape(tf.cast(slopes, values.dtype), [-1]), bin_of) * weights[:, :, None]
        return of_values, None, None, None, None

    return histogram, gradient


def histogram_of_sums(target: Statistics, low: tf.Tensor, step: tf.Tensor, bins: int) -> tf.Tensor:
    """`soft_histogram` of the target's values, from their cumulative sums in sorted order; for 1 or B targets.

    With R(x) = sum of w (x - v) over values v < x, the share at a center is the second difference of R there, divided
    by the step.
    """
    targets, batch, channels = tf.shape(target[_LOW])[0], tf.shape(low)[0], tf.shape(low)[1]
    outwards = tf.range(-1, bins + 1, dtype=tf.float64)
    points = low[:, :, None] + outwards * step[:, :, None]

    # Each row of sorted values is searched for the points of all images that are compared with it.
    rows = [batch // targets, targets, channels, bins + 2]
    searched = tf.reshape(tf.transpose(tf.reshape(points, rows), [1, 2, 0, 3]), [targets * channels, -1])
    ordered = _rows(target[_SORTED])
    rank = tf.searchsorted(ordered, _rounded_down(searched, ordered.dtype), side="right")
    weight = tf.gather(_rows(target[_SUMMED_WEIGHTS]), rank, batch_dims=1)
    value = tf.gather(_rows(target[_SUMMED_VALUES]), rank, batch_dims=1)
    origin = tf.reshape(tf.cast(target[_LOW], tf.float64), [-1, 1])
    ramp = weight * (searched - origin) - value
    ramp = tf.reshape(tf.transpose(tf.reshape(ramp, [targets, channels, -1, bins + 2]), [2, 0, 1, 3]), tf.shape(points))

    curvature = ramp[:, :, 2:] - 2 * ramp[:, :, 1:-1] + ramp[:, :, :-2]
    total = target[_SUMMED_WEIGHTS][:, :, -1:]
    histogram = tf.maximum(curvature * tf.math.reciprocal_no_nan(step)[:, :, None] / total, 0)
    at_first = tf.one_hot(0, bins, dtype=tf.float64)
    return tf.stop_gradient(tf.where((step == 0)[:, :, None], at_first, histogram))


def _represented(values: tf.Tensor, weights: tf.Tensor) -> Statistics:
    """The statistics of vectors (B, M, C) and their weights (B, M)."""
    fixed = tf.stop_gradient(values)
    inside = weights[:, :, None] > 0
    infinity = tf.constant(np.inf, values.dtype)
    low = tf.reduce_min(tf.where(inside, fixed, infinity), axis=1)
    high = tf.reduce_max(tf.where(inside, fixed, -infinity), axis=1)

    columns = tf.transpose(fixed, [0, 2, 1])
    order = tf.argsort(columns, axis=-1)
    ordered = tf.gather(columns, order, batch_dims=2)
    weight = tf.cast(tf.gather(weights, tf.reshape(order, [tf.shape(order)[0], -1]), batch_dims=1), tf.float64)
    weight = tf.reshape(weight, tf.shape(order))
    # Relative to the smallest value, so that a large mean does not cost the sums their last digits.
    above = tf.cast(ordered, tf.float64) - tf.cast(low, tf.float64)[:, :, None]
    return {
        VECTORS: values,
        WEIGHTS: weights,
        _LOW: low,
        _HIGH: high,
        _SORTED: ordered,
        _SUMMED_WEIGHTS: _sums_before(weight),
        _SUMMED_VALUES: _sums_before(weight * above),
    }


def _unit(positions: tf.Tensor, bins: int | tf.Tensor) -> tf.Tensor:
    """The power of two that represents a weight of 1, such that positions x bins of them stay below 2^62."""
    bits = tf.floor(62 - tf.math.log(tf.cast(positions, tf.float64) * tf.cast(bins, tf.float64)) / np.log(2))
    return tf.pow(tf.constant(2, tf.float64), tf.minimum(bits, tf.constant(_MOST_BITS, tf.float64)))


def _sums_before(values: tf.Tensor) -> tf.Tensor:
    """Sums (B, C, M + 1) of the first 0, 1, ..., M values (B, C, M)."""
    return tf.pad(tf.cumsum(values, axis=-1), [[0, 0], [0, 0], [1, 0]])


def _rows(values: tf.Tensor) -> tf.Tensor:
    """Reshape (B, C, M) to (B C, M)."""
    return tf.reshape(values, [-1, tf.shape(values)[2]])


def _rounded_down(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Round float64 values down to `dtype`, so that they can be searched for among numbers of that dtype."""
    nearest = tf.cast(values, dtype)
    below = tf.math.nextafter(nearest, tf.constant(-np.inf, dtype))
    return tf.where(tf.cast(nearest, tf.float64) > values, below, nearest)
