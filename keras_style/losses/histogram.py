"""Histogram loss: each filter's activations, remapped onto the style's distribution, are what the image should have."""

from collections.abc import Sequence
from typing import Any

from keras_style import checks
from keras_style.losses.feature_loss import FeatureLoss, Statistics
from keras_style.losses.samples import mixture, quantiles, samples
from keras_style.runtime import keras, tf


@keras.saving.register_keras_serializable("keras_style")
class HistogramLoss(FeatureLoss):
    """Mean over filters and positions of (x - R(x))^2, R the monotone map of x's distribution onto the target's.

    R is matched for every filter by itself and held constant in the gradient, 2 (x - R(x)). Without bins this is the
    squared Wasserstein distance between the two distributions on the line: with as many positions on both sides
    mean (sort x - sort y)^2; with other numbers the target's quantiles are interpolated.

    Ties have one aim each, so that the gradient does not depend on the order of positions: without bins the mean of the
    values that they are matched with; with bins that mean too for the smallest value, such as the zeros after a ReLU,
    and for others the map's value.

    Args:
        bins: None: exact, by sorting; or the number of equal bins between the smallest and largest value of each
            filter, within which both distributions are taken as even: much faster. The aims are exact up to some widths
            of a bin. The value is smaller than the exact one where values tie, since all of them have one aim. 256 is
            what public implementations use.

    Call arguments: `y_true` (B or 1, H', W', C), `y_pred` (B, H, W, C): features of the style and of the image.

    Raises:
        InputError: bins are not a whole number from 2 to 65536.

    Example:
        >>> loss = keras_style.losses.HistogramLoss(bins=256)
        >>> loss(style_features, image_features)

    Reference: Risser et al., "Stable and Controllable Neural Texture Synthesis and Style Transfer Using Histogram
        Losses", 2017, §4.3.
    """

    def __init__(self, bins: int | None = None, name: str = "histogram_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.bins = None if bins is None else checks.whole("bins", bins, 2, 65536)

    def statistics(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
        vectors = samples(features, mask)
        return {"vectors": vectors, **(_sorted(vectors) if self.bins is None else _histogram(vectors, self.bins))}

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        assert target is not None
        if self.bins is None:
            return _sorted_distance(target["sorted"], current["sorted"])
        aim = tf.stop_gradient(remapped(target, current["below"], current["cell"], current["at"], self.bins))
        return tf.reduce_mean(tf.math.squared_difference(current["vectors"], aim), axis=[1, 2])

    def magnitude(self, target: Statistics) -> tf.Tensor:
        return tf.reduce_mean(tf.square(target["vectors"]), axis=[1, 2])

    def blend(self, targets: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
        """The statistics of the styles' vectors, mixed in proportion to their weights."""
        mixed = mixture([target["vectors"] for target in targets], weights)
        return self.statistics(mixed[:, :, None, :])

    def by_parts(self) -> FeatureLoss:
        from keras_style.losses.histogram_by_parts import HistogramByParts

        return self if self.bins is None else HistogramByParts(self.bins, self.name)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bins": self.bins}


# Exact, by sorting


def _sorted(vectors: tf.Tensor) -> Statistics:
    """Each filter's values in ascending order, (B, C, n)."""
    return {"sorted": tf.sort(tf.transpose(vectors, [0, 2, 1]))}


def _sorted_distance(target: tf.Tensor, current: tf.Tensor) -> tf.Tensor:
    aim = tf.broadcast_to(quantiles(target, tf.shape(current)[-1]), tf.shape(current))
    value = tf.reduce_mean(tf.math.squared_difference(current, aim), axis=[1, 2])
    shared = tf.stop_gradient(_mean_over_ties(aim, current))
    descended = tf.reduce_mean(tf.math.squared_difference(current, shared), axis=[1, 2])
    return descended + tf.stop_gradient(value - descended)


def _mean_over_ties(aim: tf.Tensor, ordered: tf.Tensor) -> tf.Tensor:
    """`aim`, averaged over the positions where the sorted values are equal."""
    first = tf.concat([tf.ones_like(ordered[..., :1], tf.bool), ordered[..., 1:] != ordered[..., :-1]], axis=-1)
    group = tf.reshape(tf.cumsum(tf.cast(tf.reshape(first, [-1]), tf.int32)) - 1, tf.shape(ordered))
    means = tf.math.segment_mean(tf.reshape(aim, [-1]), tf.reshape(group, [-1]))
    return tf.gather(means, group)


# By bins. The smallest value has a bin to itself, of no width: of a filter after a ReLU it is the zeros.


def _histogram(vectors: tf.Tensor, bins: int) -> Statistics:
    """Range (B, 1, C), in which bin each value is and how far in it (B, n, C), and the share below each edge."""
    vectors = tf.stop_gradient(vectors)
    low, high = tf.reduce_min(vectors, axis=1, keepdims=True), tf.reduce_max(vectors, axis=1, keepdims=True)
    batch, number, filters = tf.shape(vectors)[0], tf.shape(vectors)[1], vectors.shape[-1]
    cell, at = binned(vectors, low, high, bins)
    size = batch * filters * (bins + 1)
    counts = tf.math.bincount(tf.reshape(cell, [-1]), minlength=size, maxlength=size)
    below = tf.cumsum(tf.reshape(counts, [batch, filters, bins + 1]), axis=-1) / number
    edges = tf.pad(tf.cast(below, vectors.dtype), [[0, 0], [0, 0], [1, 0]])
    return {"low": low, "high": high, "cell": cell, "at": at, "below": edges}


def binned(vectors: tf.Tensor, low: tf.Tensor, high: tf.Tensor, bins: int) -> tuple[tf.Tensor, tf.Tensor]:
    """In which bin each value is, counted through over samples and filters, and how far in it; (B, n, C) both."""
    batch, filters = tf.shape(vectors)[0], vectors.shape[-1]
    at = (vectors - low) * tf.math.divide_no_nan(tf.cast(bins, vectors.dtype), high - low)
    inside = tf.minimum(tf.cast(at, tf.int32), bins - 1)
    line = tf.range(batch * filters) * (bins + 1)  # every filter of every sample has its own bins
    cell = inside + tf.cast(vectors > low, tf.int32) + tf.reshape(line, [batch, 1, filters])
    return cell, at - tf.cast(inside, vectors.dtype)


def remapped(target: Statistics, below: tf.Tensor, cell: tf.Tensor, at: tf.Tensor, bins: int) -> tf.Tensor:
    """Every value of the image on the quantile of the target that it has in the image; linear within its bin.

    Args:
        target: the target's statistics.
        below: the image's share below each edge, (B, C, bins + 2).
        cell, at: where the values are, as by `binned`.
        bins: their number.
    """
    left = _quantile(target, below[..., :-1], bins, side="right")
    right = _quantile(target, below[..., 1:], bins, side="left")
    smallest = _mean_up_to(target, below[..., 1:2], right[..., :1], bins)
    left = tf.concat([smallest, left[..., 1:]], axis=-1)
    right = tf.concat([smallest, right[..., 1:]], axis=-1)
    table = tf.reshape(tf.stack([left, right - left], axis=-1), [-1, 2])
    found = tf.gather(table, cell)
    return found[..., 0] + at * found[..., 1]


def _quantile(target: Statistics, shares: tf.Tensor, bins: int, side: str) -> tf.Tensor:
    """The target's quantiles (B, C, any) at `shares`; at the gap of an empty bin its upper ("right") or lower end."""
    below = tf.broadcast_to(target["below"], tf.concat([tf.shape(shares)[:2], [bins + 2]], axis=0))
    edge = tf.clip_by_value(tf.searchsorted(below, shares, side=side), 1, bins + 1)
    low, high = tf.gather(below, edge - 1, batch_dims=2), tf.gather(below, edge, batch_dims=2)
    at = tf.cast(edge - 2, shares.dtype) + tf.clip_by_value(tf.math.divide_no_nan(shares - low, high - low), 0, 1)
    least, most = tf.transpose(target["low"], [0, 2, 1]), tf.transpose(target["high"], [0, 2, 1])
    return least + tf.maximum(at, 0) * (most - least) / bins


def _mean_up_to(target: Statistics, share: tf.Tensor, quantile: tf.Tensor, bins: int) -> tf.Tensor:
    """Mean (B, C, 1) of the target's quantiles from 0 to `share`, where the quantile is `quantile`."""
    below = target["below"]
    least, most = tf.transpose(target["low"], [0, 2, 1]), tf.transpose(target["high"], [0, 2, 1])
    edges = tf.concat([[0], tf.range(bins + 1)], axis=0)
    ends = least + tf.cast(edges, below.dtype) * (most - least) / bins
    # A quantile below `quantile` counts up to it only: the integral of a clipped, piecewise linear function.
    middles = (ends[..., 1:] + ends[..., :-1]) / 2
    taken = tf.clip_by_value(share - below[..., :-1], 0, below[..., 1:] - below[..., :-1])
    whole = below[..., 1:] <= share
    partly = tf.where(whole, middles, (ends[..., :-1] + quantile) / 2)
    return tf.math.divide_no_nan(tf.reduce_sum(taken * partly, axis=-1, keepdims=True), share)
