"""The binned histogram loss of features that are seen part by part, as those of an image larger than memory are."""

from collections.abc import Sequence
from typing import Any

from keras_style.losses.feature_loss import COUNT, FeatureLoss, Statistics, vectors, weights
from keras_style.losses.histogram import binned, remapped
from keras_style.runtime import tf


class HistogramByParts(FeatureLoss):
    """`HistogramLoss` with bins, in three rounds over the parts: range, counts, and then every position by itself.

    The same value and gradient up to rounding, but for what is drawn there and added up here: a mask of other weights
    than zeros and ones weighs the positions instead of repeating some; and of several styles the counts are mixed,
    each of them as even within its bins, which moves an aim by no more than a bin of the mixture and one of a style.

    Args:
        bins: as for `HistogramLoss`.
    """

    adds_up = "histogram"

    def __init__(self, bins: int, name: str = "histogram_by_parts", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.bins = bins

    def extent(self, features: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """Largest -x and largest x of each filter, (2, B, 1, C): the greatest over parts is that of the whole."""
        rows, counts = vectors(features), weights(features, mask)[:, :, None] > 0
        both = tf.where(counts, tf.stack([-rows, rows]), tf.constant(float("-inf"), rows.dtype))
        return tf.reduce_max(both, axis=2, keepdims=True)

    def counts(self, features: tf.Tensor, mask: tf.Tensor | None, extent: tf.Tensor) -> Statistics:
        """Positions in each bin (B, C, bins + 1), their squares (B,) and their number (B,), in float64."""
        rows, shares = vectors(features), weights(features, mask)
        low, high = -extent[0], extent[1]
        cell, _ = binned(tf.clip_by_value(rows, low, high), low, high, self.bins)
        number, filters = tf.shape(rows)[0], rows.shape[-1]
        size = number * filters * (self.bins + 1)
        each = tf.reshape(tf.repeat(shares[:, :, None], filters, axis=2), [-1])
        found = tf.math.bincount(tf.reshape(cell, [-1]), each, minlength=size, maxlength=size)
        sums = {
            "counts": tf.reshape(found, [number, filters, self.bins + 1]),
            "squares": tf.reduce_sum(shares * tf.reduce_mean(tf.square(rows), axis=2), axis=1),
            COUNT: tf.reduce_sum(shares, axis=1),
        }
        # float32 counts the positions of a part, but not those of an image of 4096 x 4096 pixels.
        return {key: tf.cast(value, tf.float64) for key, value in sums.items()}

    def whole(self, counts: Statistics, extent: tf.Tensor) -> Statistics:
        """The statistics of the whole: range, share below each edge, and mean square."""
        number, dtype = counts[COUNT], extent.dtype
        below = tf.cumsum(counts["counts"], axis=-1) / number[:, None, None]
        return {
            "low": -extent[0],
            "high": extent[1],
            "below": tf.cast(tf.pad(below, [[0, 0], [0, 0], [1, 0]]), dtype),
            "square": tf.cast(counts["squares"] / number, dtype),
            COUNT: tf.cast(number, dtype),
        }

    def distance_of_part(
        self, target: Statistics, current: Statistics, features: tf.Tensor, mask: tf.Tensor | None
    ) -> tf.Tensor:
        """What a part contributes to the distance (B,) between a target and the whole, given the statistics of both."""
        rows = vectors(features)
        low, high = current["low"], current["high"]
        cell, at = binned(tf.clip_by_value(tf.stop_gradient(rows), low, high), low, high, self.bins)
        aim = tf.stop_gradient(remapped(target, current["below"], cell, at, self.bins))
        squares = tf.reduce_mean(tf.math.squared_difference(rows, aim), axis=2)
        return tf.reduce_sum(weights(features, mask) * squares, axis=1) / current[COUNT]

    def magnitude(self, target: Statistics) -> tf.Tensor:
        return target["square"]

    def blend(self, targets: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
        """The distributions of the styles, mixed in proportion to their weights."""
        used = [(target, share) for target, share in zip(targets, weights, strict=True) if share]
        low = tf.reduce_min(tf.stack([target["low"] for target, _ in used]), axis=0)
        high = tf.reduce_max(tf.stack([target["high"] for target, _ in used]), axis=0)
        at = tf.linspace(tf.zeros([], low.dtype), 1, self.bins + 1)[:, None]
        edges = low * (1 - at) + high * at
        below = tf.add_n([share * self._share_below(target, edges) for target, share in used])
        return {
            "low": low,
            "high": high,
            "below": tf.pad(below, [[0, 0], [0, 0], [1, 0]]),
            "square": tf.add_n([share * target["square"] for target, share in used]),
            COUNT: tf.ones_like(targets[0][COUNT]),
        }

    def _share_below(self, target: Statistics, values: tf.Tensor) -> tf.Tensor:
        """The target's share (B, C, n) up to values (B, n, C)."""
        low, high = target["low"], target["high"]
        within = tf.clip_by_value(values, low, high)
        at = tf.transpose((within - low) * tf.math.divide_no_nan(tf.cast(self.bins, low.dtype), high - low), [0, 2, 1])
        bin_ = tf.clip_by_value(tf.cast(at, tf.int32), 0, self.bins - 1)
        lower, upper = (tf.gather(target["below"], bin_ + 1 + more, batch_dims=2) for more in (0, 1))
        inside = lower + (at - tf.cast(bin_, at.dtype)) * (upper - lower)
        values = tf.transpose(values, [0, 2, 1])
        low, high = tf.transpose(low, [0, 2, 1]), tf.transpose(high, [0, 2, 1])
        return tf.where(values < low, tf.zeros_like(inside), tf.where(values >= high, tf.ones_like(inside), inside))
