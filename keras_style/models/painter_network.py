"""A painter's network: convolutions that all styles share, and normalizations whose numbers are the style."""

from collections.abc import Sequence
from typing import Any

from keras_style.internal.tensorflow import keras
from keras_style.layers import ConditionalInstanceNormalization, Conv2D, ReflectionPadding2D
from keras_style.models.image_network import CHANNELS_LAST, normal

LARGE, SMALL = 9, 3  # pixels of the kernels: of the first and the last convolution, and of the others
MULTIPLE, MINIMUM = 4, 16  # of a picture's sides: two convolutions halve them; the first reflects four pixels
ROWS = "rows"


def numbers(filters: Sequence[int], blocks: int, expand: Sequence[int], channels: int = 3) -> int:
    """How many numbers are a style: a gamma and a beta for each channel of each normalization."""
    return 2 * (sum(filters) + 2 * blocks * filters[-1] + sum(expand) + channels)


def painter_network(
    filters: Sequence[int], blocks: int, expand: Sequence[int], seed: int | None, policy: Any, channels: int = 3
) -> keras.Model:
    """The network as a model of images (B, H, W, 3) in [0, 1] and rows (B or 1, N), to images in [0, 1].

    Two convolutions halve the size, residual blocks follow, and two enlargements by the nearest neighbor, each with a
    convolution after it, which leaves no checkerboard. Pictures are reflected at their borders before every
    convolution. There are no biases: each convolution is normalized, the last one too.

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
    kernel = normal(seed)
    images = keras.Input((None, None, channels), dtype=policy.variable_dtype, name="images")
    rows = keras.Input((numbers(filters, blocks, expand, channels),), dtype=policy.variable_dtype, name=ROWS)
    start = 0

    def convolve(x: Any, count: int, size: int, label: str, strides: int = 1, columns: int = 1) -> Any:
        nonlocal start
        x = ReflectionPadding2D(size // 2, name=f"{label}_pad", dtype=policy)(x)
        options: dict[str, Any] = {"use_bias": False, "kernel_initializer": kernel(), "name": label, "dtype": policy}
        if columns > 1:
            x = Conv2D(count, size, columns=columns, **options)(x)
        else:
            x = keras.layers.Conv2D(count, size, strides=strides, **CHANNELS_LAST, **options)(x)
        x = ConditionalInstanceNormalization(start, name=f"{label}_norm", dtype=policy)([x, rows])
        start += 2 * count
        return x

    def relu(x: Any, label: str) -> Any:
        return keras.layers.ReLU(name=f"{label}_relu", dtype=policy)(x)

    x = images
    for step, count in enumerate(filters):
        label = f"contract_{step}"
        x = relu(convolve(x, count, SMALL if step else LARGE, label, strides=2 if step else 1), label)
    for block in range(blocks):
        label = f"block_{block}"
        y = relu(convolve(x, filters[-1], SMALL, f"{label}_0"), f"{label}_0")
        x = keras.layers.Add(name=f"{label}_add", dtype=policy)([x, convolve(y, filters[-1], SMALL, f"{label}_1")])
    for step, count in enumerate(expand):
        label = f"expand_{step}"
        x = keras.layers.UpSampling2D(2, interpolation="nearest", name=f"{label}_enlarge", dtype=policy)(x)
        x = relu(convolve(x, count, SMALL, label), label)
    x = convolve(x, channels, LARGE, f"expand_{len(expand)}", columns=MULTIPLE)
    x = keras.layers.Activation("sigmoid", name="sigmoid", dtype=policy.variable_dtype)(x)
    return keras.Model([images, rows], x, name="network")
