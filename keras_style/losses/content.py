"""Content loss: the squared error between feature maps."""

from typing import Any

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses.feature_loss import WEIGHTS, FeatureLoss, Statistics, vectors, weights

NORMALIZATIONS = ("mean", "paper", "sum")


@keras.saving.register_keras_serializable("keras_style")
class ContentLoss(FeatureLoss):
    """Squared error between the feature maps F of an image and P of the content photograph.

    Args:
        normalization: "paper": 1/2 sum (F - P)^2 (Gatys et al. 2016, eq. 1); "mean": mean (F - P)^2, as in Gatys's
            PyTorch notebook and Johnson's neural-style; "sum": sum (F - P)^2, as in the Keras example.

    Call arguments: `y_true`, `y_pred`: features (B, H, W, C) of equal size.

    Raises:
        InputError: an unknown normalization, or features of different sizes.

    Example:
        >>> style, image = np.random.default_rng(0).random((2, 1, 32, 32, 64), "float32")
        >>> loss = keras_style.losses.ContentLoss(normalization="paper")
        >>> loss(style, image)

    Reference: Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, eq. 1.
    """

    adds_up = "distance"

    def __init__(self, normalization: str = "mean", name: str = "content_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.normalization = checks.choice("normalization", normalization, NORMALIZATIONS)

    def statistics(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
        return {"features": features, WEIGHTS: weights(features, mask)}

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        assert target is not None
        expected, got = target["features"], current["features"]
        if not expected.shape[1:].is_compatible_with(got.shape[1:]):
            raise InputError(f"content features have shape {expected.shape}, those of the image {got.shape}")
        squares = vectors(tf.math.squared_difference(got, expected)) * target[WEIGHTS][:, :, None]
        total = tf.reduce_sum(squares, axis=[1, 2])
        if self.normalization == "mean":
            return tf.math.divide_no_nan(total, tf.reduce_sum(target[WEIGHTS], axis=1) * squares.shape[-1])
        return total / 2 if self.normalization == "paper" else total

    def share(self, part: tf.Tensor, whole: int) -> tf.Tensor:
        return part / whole if self.normalization == "mean" else tf.ones_like(part)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "normalization": self.normalization}
