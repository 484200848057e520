"""Sliced Wasserstein loss: feature distributions compared along random directions."""

import copy
from collections.abc import Hashable, Sequence
from typing import Any, Self

from keras_style import checks
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses.feature_loss import FeatureLoss, Statistics
from keras_style.losses.sampling import mixture, quantiles, samples


@keras.saving.register_keras_serializable("keras_style")
class SlicedWassersteinLoss(FeatureLoss):
    """Mean over random directions of the Wasserstein distance between the projected distributions, to the p-th power.

    Along a direction the optimal transport is monotone: the vectors of image and target are projected and sorted, and
    mean |sort x - sort y|^p is taken; with different numbers of positions the target's quantiles are interpolated. The
    gradient flows through the sorted values, with the order held constant. With a single filter and p = 1 it is the
    Wasserstein-1 distance itself.

    The directions, uniform on the sphere, are drawn from the seed; an optimizer draws new ones at every step (L-BFGS
    keeps one draw for a scale: its line search compares values). The expectation over draws is the distance.

    Args:
        projections: number of directions.
        power: p, 1 or 2.
        seed: seed of the directions.

    Call arguments: `y_true` (B or 1, H', W', C), `y_pred` (B, H, W, C): features of the style and of the image.

    Raises:
        InputError: an argument is not what was expected.

    Example:
        >>> style, image = np.random.default_rng(0).random((2, 1, 32, 32, 64), "float32")
        >>> loss = keras_style.losses.SlicedWassersteinLoss(projections=32)
        >>> loss(style, image)

    Reference: Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", 2015; Heitz et al., "A Sliced
        Wasserstein Loss for Neural Texture Synthesis", CVPR 2021.
    """

    def __init__(
        self,
        projections: int = 16,
        power: int = 2,
        seed: int = 0,
        name: str = "sliced_wasserstein_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.projections = checks.whole("projections", projections, 1, 100_000)
        self.power = checks.whole("power", power, 1, 2)
        self.seed = checks.whole("seed", seed, 0, 2**31 - 1)
        self._draw: tf.Tensor | int = 0

    def redrawn(self, step: tf.Tensor | int) -> Self:
        other = copy.copy(self)
        other._draw = step
        return other

    def directions(self, filters: int, dtype: tf.DType) -> tf.Tensor:
        """The directions of the draw, unit vectors, as columns (C, K)."""
        drawn = tf.random.stateless_normal(
            [filters, self.projections], [self.seed, tf.cast(self._draw, tf.int32)], dtype=tf.float64
        )
        return tf.cast(drawn / tf.norm(drawn, axis=0), dtype)

    def statistics(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
        return {"vectors": samples(features, mask)}

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        assert target is not None
        directions = self.directions(current["vectors"].shape[-1], current["vectors"].dtype)
        ours, theirs = (tf.einsum("bnc,ck->bkn", each["vectors"], directions) for each in (current, target))
        return self.transport(theirs, ours)

    def transport(self, target: tf.Tensor, current: tf.Tensor) -> tf.Tensor:
        """Mean over directions of the cost (B,) between coordinates (B, K, n) of an image and a target's (1, K, n')."""
        ours, theirs = tf.sort(current), tf.sort(target)
        difference = ours - quantiles(theirs, tf.shape(ours)[-1])
        return tf.reduce_mean(tf.square(difference) if self.power == 2 else tf.abs(difference), axis=[1, 2])

    def magnitude(self, target: Statistics) -> tf.Tensor:
        return self.of_mean_square(tf.reduce_mean(tf.square(target["vectors"]), axis=[1, 2]))

    def of_mean_square(self, mean_square: tf.Tensor) -> tf.Tensor:
        """The expected distance from all-zero features, for p = 2; its root for p = 1."""
        return mean_square if self.power == 2 else tf.sqrt(mean_square)

    def by_parts(self) -> FeatureLoss:
        return SlicedWassersteinByParts(self)

    def blend(self, targets: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
        """The styles' vectors, mixed in proportion to their weights."""
        return {"vectors": mixture([target["vectors"] for target in targets], weights)}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "projections": self.projections, "power": self.power, "seed": self.seed}


class SlicedWassersteinByParts(FeatureLoss):
    """`SlicedWassersteinLoss` from projections: the coordinates of each position along the directions.

    These are few numbers per position, so that those of all positions fit into memory: each part gives its `projected`
    features, and the loss of the whole is computed from the projections of all parts, one direction at a time. Masks
    and blends pick positions, and do the same to projections as to vectors.

    Value and gradient are the same up to rounding. Rounding can change the order of positions with equal projections,
    as where an image is of one color: together they get the same quantiles, in another order.

    Args:
        loss: the loss that gives directions and distance.
    """

    adds_up = "projections"

    def __init__(self, loss: SlicedWassersteinLoss) -> None:
        super().__init__(name=loss.name)
        self.loss = loss

    def key(self) -> Hashable:
        return type(self), self.loss.key()

    def redrawn(self, step: tf.Tensor | int) -> Self:
        return type(self)(self.loss.redrawn(step))

    def projected(self, features: tf.Tensor) -> tf.Tensor:
        """Coordinates (B, H, W, K) of features (B, H, W, C) along the directions."""
        return tf.einsum("bhwc,ck->bhwk", features, self.loss.directions(features.shape[-1], features.dtype))

    def of_target(self, features: tf.Tensor) -> tf.Tensor:
        """Projections of a target's features and, last, the mean square of each vector; (B, H, W, K + 1).

        `magnitude` needs the mean squares, since it does not depend on directions.
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
