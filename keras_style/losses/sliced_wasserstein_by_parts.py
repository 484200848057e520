"""The sliced Wasserstein loss of features that are seen part by part, as those of an image larger than memory are."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from keras_style.losses.feature_loss import FeatureLoss, Statistics
from keras_style.losses.samples import mixture, samples
from keras_style.runtime import tf

if TYPE_CHECKING:
    from keras_style.losses.sliced_wasserstein import SlicedWassersteinLoss


class SlicedWassersteinByParts(FeatureLoss):
    """`SlicedWassersteinLoss` of projections: of every position its coordinates along the directions, not its vector.

    They are few, so that those of all positions can be had at once: a part gives the `projected` features of its own,
    and the loss of the whole is that of the projections of all parts, one direction after the other. Masks and blends
    pick positions, and so do the same to projections as to vectors.

    The same value and gradient up to rounding; which can change the order of positions whose projections are equal but
    for that, as where an image is of one color: they share the same quantiles, but another one may get each.

    Args:
        loss: whose directions and distance these are.
    """

    adds_up = "projections"

    def __init__(self, loss: "SlicedWassersteinLoss") -> None:
        super().__init__(name=loss.name)
        self.loss = loss

    def redrawn(self, step: tf.Tensor | int) -> Self:
        return type(self)(self.loss.redrawn(step))

    def projected(self, features: tf.Tensor) -> tf.Tensor:
        """Coordinates (B, H, W, K) of features (B, H, W, C) along the directions."""
        return tf.einsum("bhwc,ck->bhwk", features, self.loss.directions(features.shape[-1], features.dtype))

    def of_target(self, features: tf.Tensor) -> tf.Tensor:
        """What is kept of a target's features: `projected`, and last the mean square of each vector; (B, H, W, K + 1).

        The mean squares are for `magnitude`, which is no matter of directions.
        """
        squares = tf.reduce_mean(tf.square(features), axis=3, keepdims=True)
        return tf.concat([self.projected(features), squares], axis=3)

    def statistics(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
        """The samples (B, n, any) of projections (B, H, W, any)."""
        return {"projections": samples(features, mask)}

    def along(self, direction: int, target: Statistics) -> Statistics:
        """The target's statistics along one direction."""
        return {"projections": target["projections"][..., direction : direction + 1]}

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        assert target is not None
        ours, theirs = (tf.transpose(each["projections"], [0, 2, 1]) for each in (current, target))
        return self.loss.transport(theirs, ours)

    def magnitude(self, target: Statistics) -> tf.Tensor:
        return self.loss.of_mean_square(tf.reduce_mean(target["projections"][..., -1], axis=1))

    def blend(self, targets: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
        return {"projections": mixture([target["projections"] for target in targets], weights)}
