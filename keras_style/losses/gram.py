"""Gram loss: style as the correlations between the filters of a layer."""

from typing import Any

from keras_style import checks
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses.feature_loss import COUNT, FeatureLoss, Statistics, count, products, vectors, weights

# Each is a factor on d = ||G/M - A/M'||^2, given the number of filters N and of the image's positions M.
# At equal M = M', E = sum (G - A)^2 / (4 N^2 M^2) of the paper is d / (4 N^2).
_FACTORS = {
    "paper": lambda n, m: 1 / (4 * n**2),
    "gatys_pytorch": lambda n, m: 1 / n**2,  # MSE(G/M) = 4 E
    "johnson": lambda n, m: 1 / n**4,  # MSE(G/(N M)) = 4/N^2 E
    "keras_io": lambda n, m: 1 / (4 * 3**2),  # N^2/9 E: it takes the image's 3 channels for N
    "wilmot": lambda n, m: m**2 / n**2,  # MSE(G) = 4 M^2 E
}
NORMALIZATIONS = tuple(_FACTORS)


@keras.saving.register_keras_serializable("keras_style")
class GramLoss(FeatureLoss):
    """Squared Frobenius distance between the Gram matrices of two sets of feature vectors.

    For features of N filters at M positions, G = sum over positions of f f'. With G of the image (M positions) and A of
    the style (M' positions), all normalizations are multiples of d = ||G/M - A/M'||^2, so the two may differ in size:

    | normalization | per layer | as published | multiple of the paper's E |
    |---|---|---|---|
    | "paper" | d / (4 N^2) | E = sum (G - A)^2 / (4 N^2 M^2) | 1 |
    | "gatys_pytorch" | d / N^2 | MSE of G/M (Gatys's PyTorch notebook, which then weights layers by 1/N^2) | 4 |
    | "johnson" | d / N^4 | MSE of G/(N M) (neural-style and its ports) | 4/N^2 |
    | "keras_io" | d / 36 | sum (G - A)^2 / (4 3^2 M^2) (Keras's example) | N^2/9 |
    | "wilmot" | M^2 d / N^2 | MSE of G (NeuralTextureSynthesis, by an author of histogram losses) | 4 M^2 |

    Keras's example divides by the pixels of the *image* instead of M; to reproduce a deeper layer of it, weight that
    layer by (M / pixels)^2, which is 16^-(block - 1) where all sides are multiples of 16.

    Args:
        normalization: a name from the table.

    Call arguments: `y_true` (B or 1, H', W', N), `y_pred` (B, H, W, N): features of the style and of the image.

    Raises:
        InputError: an unknown normalization.

    Example:
        >>> style, image = np.random.default_rng(0).random((2, 1, 32, 32, 64), "float32")
        >>> loss = keras_style.losses.GramLoss(normalization="paper")
        >>> loss(style, image)

    Reference: Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, eq. 3-5.
    """

    adds_up = "statistics"

    def __init__(self, normalization: str = "paper", name: str = "gram_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.normalization = checks.choice("normalization", normalization, NORMALIZATIONS)

    def statistics(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
        shares = None if mask is None else weights(features, mask)
        return {"gram": products(vectors(features), shares), COUNT: count(features, mask)}

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        assert target is not None
        difference = _per_position(current) - _per_position(target)
        squared = tf.reduce_sum(tf.square(difference), axis=[1, 2])
        return squared * _FACTORS[self.normalization](difference.shape[-1], current[COUNT])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "normalization": self.normalization}


def _per_position(statistics: Statistics) -> tf.Tensor:
    return statistics["gram"] / statistics[COUNT][:, None, None]
