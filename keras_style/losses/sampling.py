"""Feature vectors as samples of a distribution: resampling for masks and blends, quantiles."""

from collections.abc import Sequence

from keras_style.internal.tensorflow import tf
from keras_style.losses.feature_loss import vectors, weights


def samples(features: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """The vectors (B, n, C) of features (B, H, W, C), repeated in proportion to the weights of a mask.

    This is systematic resampling to n = the sum of the weights: a mask of zeros and ones gives exactly the vectors
    inside, in their order; otherwise a vector of weight w is taken w times, rounded up or down.
    """
    rows = vectors(features)
    if mask is None:
        return rows
    heavy = tf.cumsum(tf.cast(weights(features, mask), tf.float64), axis=1)
    total = heavy[:, -1:]
    number = tf.maximum(1, tf.cast(tf.round(tf.reduce_max(total)), tf.int32))
    at = (tf.range(tf.cast(number, tf.float64)) + 0.5) * total / tf.cast(number, tf.float64)
    index = tf.searchsorted(heavy, at, side="left")
    return tf.gather(rows, tf.minimum(index, tf.shape(rows)[1] - 1), batch_dims=1)


def mixture(groups: Sequence[tf.Tensor], shares: Sequence[float]) -> tf.Tensor:
    """Join groups (B, n', C) into one sample (B, n, C) that holds vectors of each in proportion to its share."""
    largest = max(share / int(group.shape[1]) for group, share in zip(groups, shares, strict=True))
    picked = []
    for group, share in zip(groups, shares, strict=True):
        # The group with the fewest vectors for its share gives each of them once, the others give fewer.
        number = max(1, round(share / largest)) if share else 0
        at = (tf.range(number, dtype=tf.float64) + 0.5) * (int(group.shape[1]) / max(1, number))
        picked.append(tf.gather(group, tf.cast(at, tf.int32), axis=1))
    return tf.concat(picked, axis=1)


def quantiles(ordered: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """`number` quantiles of samples sorted along their last axis, at (i + 1/2) / number.

    The sample of rank j is the quantile at (j + 1/2) / n; quantiles between are linear, those beyond constant. With
    `number` equal to n the result is the samples themselves.
    """
    have = tf.shape(ordered)[-1]
    at = (tf.range(tf.cast(number, tf.float64)) + 0.5) * tf.cast(have, tf.float64) / tf.cast(number, tf.float64) - 0.5
    at = tf.clip_by_value(at, 0.0, tf.cast(have - 1, tf.float64))
    below = tf.cast(at, tf.int32)
    fraction = tf.cast(at - tf.cast(below, tf.float64), ordered.dtype)
    lower = tf.gather(ordered, below, axis=-1)
    upper = tf.gather(ordered, tf.minimum(below + 1, have - 1), axis=-1)
    return lower + fraction * (upper - lower)
