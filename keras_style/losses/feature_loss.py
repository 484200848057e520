"""What every loss of the package has in common: statistics of features, and a distance between two of them."""

from collections.abc import Sequence

from keras_style.runtime import keras, tf

Statistics = dict[str, tf.Tensor]

COUNT = "count"  # the statistic that says over how many positions the others were summed


@keras.saving.register_keras_serializable("keras_style")
class FeatureLoss(keras.losses.Loss):
    """A distance between two sets of feature vectors, split into statistics and a distance between statistics.

    An optimizer takes the statistics of the target once, and those of the image at every step. Subclasses implement
    `statistics` and `distance`; as a Keras loss, `loss(y_true, y_pred)` composes the two and averages over the batch.

    Reference: Li et al., "Demystifying Neural Style Transfer", IJCAI 2017: style as a distance between distributions.
    """

    def statistics(self, features: tf.Tensor) -> Statistics:
        """What the loss keeps of features (B, H, W, C): tensors whose first axis is B.

        Sums over positions come with `"count"` (B,), the number of positions, so that they add up over parts.
        """
        raise NotImplementedError

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        """Distance (B,) between the statistics of a target and of an image; losses without a target ignore it."""
        raise NotImplementedError

    def magnitude(self, target: Statistics) -> tf.Tensor:
        """Distance (B,) of the target from all-zero features: what a recipe divides by to be free of units."""
        nothing = {key: value if key == COUNT else tf.zeros_like(value) for key, value in target.items()}
        return self.distance(target, nothing)

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


def positions(features: tf.Tensor) -> tf.Tensor:
    """Number of positions (B,) of features (B, H, W, C), in their dtype."""
    shape = tf.shape(features)
    return tf.fill([shape[0]], tf.cast(shape[1] * shape[2], features.dtype))
