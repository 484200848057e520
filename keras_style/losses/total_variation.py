"""Total variation of an image: a penalty on speckle."""

from typing import Any

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses.feature_loss import COUNT, NORMALIZATIONS, FeatureLoss, Statistics, count, crop

_SMALLEST = 1e-12  # under the root, so that the gradient of a flat region is finite


@keras.saving.register_keras_serializable("keras_style")
class TotalVariationLoss(FeatureLoss):
    """Mean over channels and positions of (dx^2 + dy^2)^(exponent / 2), dx and dy the forward differences.

    The last row and column have no forward difference and are left out, as in Johnson's neural-style.

    Args:
        exponent: 2 (default): squared differences; 1: the usual, edge-keeping total variation.
        normalization: "mean"; "sum": the sum over channels and positions, of which Johnson's neural-style and its
            descendants take half, over levels of 0 to 255.

    Call arguments: `y_true` is ignored (it may be `y_pred`); `y_pred`: images (B, H, W, C), at least 2 x 2.

    Raises:
        InputError: an exponent below 1, an unknown normalization, or images smaller than 2 x 2.

    Example:
        >>> image = keras_style.images.load("photo.jpg")[None]
        >>> keras_style.losses.TotalVariationLoss()(image, image)

    Reference: Mahendran & Vedaldi, "Understanding Deep Image Representations by Inverting Them", CVPR 2015, eq. 2.
    """

    adds_up = "statistics"
    looks_ahead = 1

    def __init__(
        self, exponent: float = 2.0, normalization: str = "mean", name: str = "total_variation_loss", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.exponent = checks.number("exponent", exponent, low=1)
        self.normalization = checks.choice("normalization", normalization, NORMALIZATIONS)

    def statistics(self, features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
        if any(side is not None and side < 2 for side in features.shape[1:3]):
            raise InputError(f"total variation of images of shape {features.shape}; expected at least 2 x 2 pixels")
        _, height, width, _ = tf.unstack(tf.shape(features))
        pixels = crop(features, 0, height - 1, 0, width - 1)
        down = crop(features, 1, height, 0, width - 1) - pixels
        right = crop(features, 0, height - 1, 1, width) - pixels
        squares = tf.square(down) + tf.square(right)
        if self.exponent != 2:
            squares = (squares + _SMALLEST) ** (self.exponent / 2)
        if mask is not None:
            mask = mask[:, :-1, :-1]
            squares *= tf.cast(mask, squares.dtype)[..., None]
        return {
            "variation": tf.reduce_sum(squares, axis=[1, 2, 3]),
            COUNT: count(squares, mask) * squares.shape[-1],
        }

    def distance(self, target: Statistics | None, current: Statistics) -> tf.Tensor:
        return current["variation"] / (current[COUNT] if self.normalization == "mean" else 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "exponent": self.exponent, "normalization": self.normalization}
