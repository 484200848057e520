"""Total variation distance: the share of values that two distributions do not have in common, channel by channel."""

from typing import Any

from keras_style.internal.tensorflow import keras, tf
from keras_style.losses.soft_histogram import DistributionLoss

_EQUAL = 1e-10  # shares that differ by no more are equal: rounding (1e-12) has no sign worth following


@keras.saving.register_keras_serializable("keras_style")
class TotalVariationDistanceLoss(DistributionLoss):
    """Total variation distance between the distributions of each channel, averaged over the channels.

    1/2 sum |p - q|, from 0 to 1, the value of disjoint distributions. p and q are soft histograms over the range of
    both, held constant in the gradient. The derivative by a bin is the sign of the difference: a subgradient, 0 where
    the two are equal up to rounding. Not to be confused with `TotalVariationLoss`, the roughness of an image.

    Args:
        bins: number of bin centers in a channel's range, from 2 to 4096; 64, ours: a fine layer has thousands of
            positions a bin, and a coarse one still some ten.

    Call arguments: `y_true` (B or 1, H', W', C), `y_pred` (B, H, W, C): features of the style and of the image.

    Raises:
        InputError: `bins` out of range.

    Example:
        >>> style, image = np.random.default_rng(0).random((2, 1, 32, 32, 64), "float32")
        >>> loss = keras_style.losses.TotalVariationDistanceLoss()
        >>> loss(style, image)

    Reference: Levin, Peres & Wilmer, "Markov Chains and Mixing Times", AMS 2009, proposition 4.2.
    """

    def __init__(self, bins: int = 64, name: str = "total_variation_distance_loss", **kwargs: Any) -> None:
        super().__init__(bins, name=name, **kwargs)

    def between(self, p: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
        return 0.5 * tf.reduce_sum(tf.nn.relu(tf.abs(p - q) - _EQUAL), axis=2)
