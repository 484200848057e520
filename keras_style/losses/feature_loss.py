"""What every loss of the package has in common: statistics of features, and a distance between two of them."""

from collections.abc import Sequence
from typing import Self

from keras_style.internal.tensorflow import keras, tf

Statistics = dict[str, tf.Tensor]

COUNT = "count"  # the statistic that says over how many positions the others were summed
WEIGHTS = "weights"  # the statistic that says how much each of the vectors counts


@keras.saving.register_keras_serializable("keras_style")
class FeatureLoss(keras.losses.Loss):
    """A distance between two sets of feature vectors, split into statistics and a distance between statistics.

    An optimizer takes the statistics of the target once, and those of the image at every step. Subclasses implement
    `statistics` and `distance`; as a Keras loss, `loss(y_true, y_pred)` composes the two and averages over the batch.

    A mask gives every position a weight: all ones are as good as none, and with zeros and ones the loss is that of the
    positions inside.

    Attributes:
        adds_up: what adds up over parts of an image, so that it can be larger than memory: "statistics", whose sums
            over the parts are those of the whole; "distance", that of each part times its `share`; "histogram", as
            `HistogramByParts` does it; "projections": nothing, but few numbers of each position are needed, as by
            `SlicedWassersteinByParts`; None: nothing.
        looks_ahead: positions to the right and below that the statistics of a position need.
        bends_pixels: whether this loss dominates the curvature in pixel space, so that L-BFGS needs flat units.

    Reference: Li et al., "Demystifying Neural Style Transfer", IJCAI 2017: style as a distance between distributions.
    """

    adds_up: str | None = None
    looks_ahead = 0
    bends_pixels = False

    def statistics(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
        """What the loss keeps of features: tensors whose first axis is B.

        Sums over positions come with `"count"` (B,), the number of positions, so that they add up over parts. Losses
        that keep all vectors (B, M, C) give each its `"weights"` (B, M).

        Args:
            features: (B, H, W, C).
            mask: (B or 1, H, W) in [0, 1]: how much each position counts; None: all alike.
        """
        raise NotImplementedError

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        """Distance (B,) between the statistics of a target and of an image; losses without a target ignore it."""
        raise NotImplementedError

    def magnitude(self, target: Statistics) -> tf.Tensor:
        """Distance (B,) of the target from all-zero features: what a method divides by to be free of units."""
        kept = (COUNT, WEIGHTS)
        nothing = {key: value if key in kept else tf.zeros_like(value) for key, value in target.items()}
        return self.distance(target, nothing)

    def share(self, part: tf.Tensor, whole: int) -> tf.Tensor:
        """Times what the distance over `part` of `whole` positions is its part of that over all; with `adds_up`."""
        raise NotImplementedError

    def by_parts(self) -> "FeatureLoss":
        """This loss for features that are seen part by part; itself unless that takes another computation."""
        return self

    def redrawn(self, step: tf.Tensor | int) -> Self:
        """This loss with the random numbers of another step; itself unless it is random."""
        return self

    @property
    def needs_new_draws(self) -> bool:
        """Whether the loss of one draw has a minimum of its own, far from that of the mean over draws."""
        return False

    def blend(self, targets: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
        """One target out of several: the weighted mean of their statistics per position.

        Args:
            targets: statistics of each style, sums with a count.
            weights: one for each, adding up to 1.
        """
        blended = {
            key: tf.add_n(
                [
                    weight * target[key] / _align(target[COUNT], target[key])
                    for target, weight in zip(targets, weights, strict=True)
                ]
            )
            for key in targets[0]
            if key != COUNT
        }
        return {**blended, COUNT: tf.ones_like(targets[0][COUNT])}

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return self.distance(self.statistics(y_true), self.statistics(y_pred))


def _align(count: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """`count` (B,) with as many axes as `value`."""
    return tf.reshape(count, [-1] + [1] * (value.shape.rank - 1))


def vectors(features: tf.Tensor) -> tf.Tensor:
    """Features (B, H, W, C) as vectors (B, H W, C)."""
    shape = tf.shape(features)
    return tf.reshape(features, [shape[0], shape[1] * shape[2], features.shape[-1]])


def weights(features: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """How much each position of features (B, H, W, C) counts, (B, H W), in their dtype."""
    shape = tf.shape(features)
    if mask is None:
        return tf.ones([shape[0], shape[1] * shape[2]], features.dtype)
    flat = tf.reshape(tf.cast(mask, features.dtype), [tf.shape(mask)[0], shape[1] * shape[2]])
    return tf.broadcast_to(flat, [shape[0], shape[1] * shape[2]])


def count(features: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Number of positions (B,) of features (B, H, W, C), or the sum of their weights, in their dtype."""
    return tf.reduce_sum(weights(features, mask), axis=1)


def crop(
    features: tf.Tensor, top: tf.Tensor | int, bottom: tf.Tensor | int, left: tf.Tensor | int, right: tf.Tensor | int
) -> tf.Tensor:
    """`features[:, top:bottom, left:right]` of features (B, H, W, C), for bounds that are not negative.

    The gradient of Python's notation is a `StridedSliceGrad`, which on a processor takes 17 times as long as the
    padding that undoes a `tf.slice` (0.29 s and 0.017 s on two cores, for 1024 x 576 positions of 64 channels): it was
    a fifth of the step of a tile.
    """
    inside = tf.slice(features, [0, top, left, 0], [-1, bottom - top, right - left, -1])
    return tf.ensure_shape(inside, [features.shape[0], None, None, features.shape[-1]])


def products(rows: tf.Tensor, shares: tf.Tensor | None) -> tf.Tensor:
    """Sum (B, C, C) over positions of each vector times itself, f f', weighted by its share; no gradient goes there.

    It is symmetric, so that its gradient takes one product of matrices; that of any product of two takes two.

    Args:
        rows: (B, M, C).
        shares: (B, M); None: all are one.
    """
    weighted = tf.stop_gradient(rows if shares is None else rows * shares[:, :, None])
    once = tf.matmul(weighted, rows, transpose_a=True)
    # The value is `once`; the gradient is as if both factors had one, which are each other's transposition.
    return once + tf.linalg.matrix_transpose(once) - tf.stop_gradient(once)
