"""Moments loss: style as the mean and the standard deviation of each filter."""

from typing import Any

from keras_style import checks
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses.feature_loss import COUNT, NORMALIZATIONS, FeatureLoss, Statistics, vectors, weights


@keras.saving.register_keras_serializable("keras_style")
class MomentsLoss(FeatureLoss):
    """Squared distance between the means and the standard deviations of each filter, as in batch normalization.

    With the mean m and the standard deviation s of each of N filters over all positions:
    1/N sum over filters of (m - m')^2 + (s - s')^2, where s = sqrt(variance + epsilon).

    The variance is computed from sums of f and f^2, which add up over parts. In float32 its error is some 1e-7 of the
    mean square of the filter: a filter that varies by less than 1/3000 of its mean counts as constant.

    Args:
        epsilon: added to the variance, in squared units of the features, so that the gradient of a filter that never
            fires is finite. 1e-5 as in AdaIN's published program (lib/AdaptiveInstanceNormalization.lua); the mean
            squares of VGG's layers are above 10.
        normalization: "mean": as above; "sum": times the number of the image's positions, as the authors' program
            weights it.

    Call arguments: `y_true` (B or 1, H', W', N), `y_pred` (B, H, W, N): features of the style and of the image.

    Raises:
        InputError: an epsilon below 1e-12, or an unknown normalization.

    Example:
        >>> style, image = np.random.default_rng(0).random((2, 1, 32, 32, 64), "float32")
        >>> loss = keras_style.losses.MomentsLoss()
        >>> loss(style, image)

    Reference: Li et al., "Demystifying Neural Style Transfer", IJCAI 2017, "BN statistics matching".
    """

    adds_up = "statistics"

    def __init__(
        self, epsilon: float = 1e-5, normalization: str = "mean", name: str = "moments_loss", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.epsilon = checks.number("epsilon", epsilon, low=1e-12)
        self.normalization = checks.choice("normalization", normalization, NORMALIZATIONS)

    def statistics(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
        rows, shares = vectors(features), weights(features, mask)
        number = tf.reduce_sum(shares, axis=1)
        total = _over_positions(shares, rows)
        # Summed around the mean, which float32 does well, then moved to zero. The result is the same for any center,
        # so no gradient goes through it.
        center = tf.stop_gradient(total / number[:, None])
        around = _over_positions(shares, tf.square(rows - center[:, None]))
        return {
            "sum": total,
            "squares": around + 2 * center * total - number[:, None] * tf.square(center),
            COUNT: number,
        }

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        assert target is not None
        (mean, deviation), (style_mean, style_deviation) = self._moments(current), self._moments(target)
        squares = tf.square(mean - style_mean) + tf.square(deviation - style_deviation)
        distance = tf.reduce_mean(squares, axis=1)
        return distance if self.normalization == "mean" else distance * current[COUNT]

    def _moments(self, statistics: Statistics) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and standard deviation of each filter, (B, N)."""
        number = statistics[COUNT][:, None]
        mean = statistics["sum"] / number
        variance = tf.nn.relu(statistics["squares"] / number - tf.square(mean))  # rounding can put it below zero
        return mean, tf.sqrt(variance + self.epsilon)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon, "normalization": self.normalization}


def _over_positions(shares: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Weighted sum of (B, M, N) over positions, as a product: one long tf.reduce_sum loses three digits to rounding."""
    return tf.matmul(shares[:, None], values)[:, 0]
