"""A painter's network: convolutions that all styles share, and normalizations whose numbers are the style."""

from collections.abc import Sequence
from typing import Any

from keras_style.internal.tensorflow import keras
from keras_style.layers import ConditionalInstanceNormalization
from keras_style.models.transformation import transformation

MINIMUM = 16  # pixels of a picture's sides, ours: four at a quarter of the size; the first convolution reflects four
ROWS = "rows"


def numbers(filters: Sequence[int], blocks: int, expand: Sequence[int], channels: int = 3) -> int:
    """How many numbers are a style: a gamma and a beta for each channel of each normalization."""
    return 2 * (sum(filters) + 2 * blocks * filters[-1] + sum(expand) + channels)


def painter_network(
    filters: Sequence[int], blocks: int, expand: Sequence[int], seed: int | None, policy: Any, channels: int = 3
) -> keras.Model:
    """The network as a model of images (B, H, W, 3) in [0, 1] and rows (B or 1, N), to images in [0, 1].

    There are no biases: each convolution is normalized, the last one too.

    Args:
        filters: of the first three convolutions; the blocks have as many as the third.
        blocks: how many residual blocks.
        expand: filters after each of the two enlargements.
        seed: of the kernels' start, N(0, 0.02^2); None takes Keras's global seed.
        policy: a Keras dtype policy.
        channels: of the images.

    Reference: Dumoulin et al., "A Learned Representation for Artistic Style", ICLR 2017, appendix; the sizes of the
    default are those of the style-transfer demo of TensorFlow for Android, whose weights so fit.
    """
    images = keras.Input((None, None, channels), dtype=policy.variable_dtype, name="images")
    rows = keras.Input((numbers(filters, blocks, expand, channels),), dtype=policy.variable_dtype, name=ROWS)
    start = 0

    def normalize(x: Any, label: str) -> Any:
        nonlocal start
        first, start = start, start + 2 * x.shape[-1]
        return ConditionalInstanceNormalization(first, name=f"{label}_norm", dtype=policy)([x, rows])

    x = transformation(images, filters, blocks, expand, normalize, seed, policy, channels, use_bias=False)
    x = keras.layers.Activation("sigmoid", name="sigmoid", dtype=policy.variable_dtype)(x)
    return keras.Model([images, rows], x, name="network")
