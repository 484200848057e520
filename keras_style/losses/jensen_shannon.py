"""Jensen-Shannon loss: the divergence of the distributions of each channel from their mean."""

import math
from typing import Any

from keras_style.internal.tensorflow import keras, tf
from keras_style.losses.soft_histogram import DistributionLoss

_LEAST = (
    1e-10  # added to every share: above rounding (1e-12), and the derivative by an empty bin is -11 rather than -inf
)


@keras.saving.register_keras_serializable("keras_style")
class JensenShannonLoss(DistributionLoss):
    """Jensen-Shannon divergence between the distributions of each channel, in nats, averaged over the channels.

    JS = (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2, from 0 to ln 2 = 0.693, which disjoint distributions have.
    p and q are soft histograms over the range that both have in common, held constant in the gradient. 1e-10 is added
    to each bin, which keeps the derivative finite where a bin is empty and changes the value by less than 2e-9 per bin.

    Args:
        bins: number of bin centers in a channel's range, from 2 to 4096; 64, ours: a fine layer has thousands of
            positions a bin, and a coarse one still some ten.

    Call arguments: `y_true` (B or 1, H', W', C), `y_pred` (B, H, W, C): features of the style and of the image.

    Raises:
        InputError: `bins` out of range.

    Example:
        >>> style, image = np.random.default_rng(0).random((2, 1, 32, 32, 64), "float32")
        >>> loss = keras_style.losses.JensenShannonLoss()
        >>> loss(style, image)

    Reference: Lin, "Divergence Measures Based on the Shannon Entropy", IEEE Trans. Inf. Theory 37(1), 1991, eq. 4.1.
    """

    def __init__(self, bins: int = 64, name: str = "jensen_shannon_loss", **kwargs: Any) -> None:
        super().__init__(bins, name=name, **kwargs)

    def between(self, p: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
        p, q = ((share + _LEAST) / (1 + self.bins * _LEAST) for share in (p, q))
        log_of_sum = tf.math.log(p + q) - math.log(2)
        return 0.5 * tf.reduce_sum(p * (tf.math.log(p) - log_of_sum) + q * (tf.math.log(q) - log_of_sum), axis=2)
