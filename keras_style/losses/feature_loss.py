"""Base class of the losses: statistics of features, and a distance between two of them."""

import json
from collections.abc import Hashable, Sequence
from typing import Self

from keras_style.internal.tensorflow import keras, tf

Statistics = dict[str, tf.Tensor]

COUNT = "count"  # the statistic that says over how many positions the others were summed
WEIGHTS = "weights"  # the statistic that gives the weight of each vector

NORMALIZATIONS = ("mean", "sum")  # of losses that are a mean over positions, or that mean times their number


@keras.saving.register_keras_serializable("keras_style")
class FeatureLoss(keras.losses.Loss):
    """A distance between two sets of feature vectors, split into statistics and a distance between statistics.

    An optimizer takes the statistics of the target once, and those of the image at every step. Subclasses implement
    `statistics` and `distance`; as a Keras loss, `loss(y_true, y_pred)` composes the two and averages over the batch.

    A mask gives every position a weight: all ones are as good as none, and with zeros and ones the loss is that of the
    positions inside.

    Attributes:
        adds_up: what adds up over parts of an image, so that the image can be larger than memory: "statistics": the
            statistics of the parts; "distance": the distance of each part times its `share`; "histogram": counts, as
            in `HistogramByParts`; "projections": nothing, but few numbers per position are needed, as in
            `SlicedWassersteinByParts`; None: nothing.
        looks_ahead: positions to the right and below that the statistics of a position need.
        bends_pixels: whether this loss dominates the curvature in pixel space, so that L-BFGS needs flat units.

    Reference: Li et al., "Demystifying Neural Style Transfer", IJCAI 2017: style as a distance between distributions.
    """

    adds_up: str | None = None
    looks_ahead = 0
    bends_pixels = False

    def statistics(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
        """Statistics of features: tensors whose first axis is B.

        Sums over positions come with `"count"` (B,), the number of positions, so that they add up over parts. Losses
        that keep all vectors (B, M, C) give each its `"weights"` (B, M).

        Args:
            features: (B, H, W, C).
            mask: (B or 1, H, W) in [0, 1]: the weight of each position; None: all are 1.
        """
        raise NotImplementedError

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        """Distance (B,) between the statistics of a target and of an image; losses without a target ignore it."""
        raise NotImplementedError

    def magnitude(self, target: Statistics) -> tf.Tensor:
        """Distance (B,) of the target from all-zero features; a method divides by it to be free of units."""
        kept = (COUNT, WEIGHTS)
        nothing = {key: value if key in kept else tf.zeros_like(value) for key, value in target.items()}
        return self.distance(target, nothing)

    def share(self, part: tf.Tensor, whole: int) -> tf.Tensor:
        """Factor from a part's distance to its contribution to the whole, for `adds_up = "distance"`.

        Args:
            part: number of positions in the part, or the sum of their weights.
            whole: the same of the whole.
        """
        raise NotImplementedError

    def key(self) -> Hashable:
        """Return what a graph of this loss depends on: its settings.

        A loss of a class of another package may change without their telling, and equals nothing: each picture has a
        graph of its own. Such a class can say more.
        """
        ours = type(self).__module__.partition(".")[0] == __name__.partition(".")[0]
        return (type(self), json.dumps(self.get_config(), sort_keys=True)) if ours else object()

    def by_parts(self) -> "FeatureLoss":
        """This loss in the form that sees features part by part; itself unless that takes another computation."""
        return self

    def redrawn(self, step: tf.Tensor | int) -> Self:
        """This loss with the random numbers of `step`; itself unless it is random."""
        return self

    @property
    def needs_new_draws(self) -> bool:
        """Whether the minimum of the loss at one draw is far from that of its mean over draws."""
        return False

    def blend(self, targets: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
        """Blend several targets into one: the weighted mean of their statistics per position.

        Args:
            targets: statistics of each style, sums with a count.
            weights: one per target; their sum is 1.
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
    """Reshape `count` (B,) to as many axes as `value` has."""
    return tf.reshape(count, [-1] + [1] * (value.shape.rank - 1))


def vectors(features: tf.Tensor) -> tf.Tensor:
    """Reshape features (B, H, W, C) to vectors (B, H W, C)."""
    shape = tf.shape(features)
    return tf.reshape(features, [shape[0], shape[1] * shape[2], features.shape[-1]])


def weights(features: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Weights (B, H W) of the positions of features (B, H, W, C), in their dtype."""
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
    """Crop features (B, H, W, C) to `features[:, top:bottom, left:right]`; bounds are not negative.

    The gradient of a Python slice is a `StridedSliceGrad`, which on a processor takes 17 times as long as the padding
    that is the gradient of `tf.slice` (0.29 s and 0.017 s on two cores, for 1024 x 576 positions of 64 channels). It
    was a fifth of the step of a tile.
    """
    inside = tf.slice(features, [0, top, left, 0], [-1, bottom - top, right - left, -1])
    return tf.ensure_shape(inside, [features.shape[0], None, None, features.shape[-1]])


def products(rows: tf.Tensor, shares: tf.Tensor | None) -> tf.Tensor:
    """Weighted sum (B, C, C) over positions of the outer products f f'; shares get no gradient.

    The sum is symmetric, so its gradient takes one matrix product instead of two.

    Args:
        rows: (B, M, C).
        shares: (B, M); None: all are one.
    """
    weighted = tf.stop_gradient(rows if shares is None else rows * shares[:, :, None])
    once = tf.matmul(weighted, rows, transpose_a=True)
    # The value is `once`; the gradient is that through both factors, each the transpose of the other.
    return once + tf.linalg.matrix_transpose(once) - tf.stop_gradient(once)
