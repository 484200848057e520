"""The image transformation network of Johnson et al., for any normalization: painters and networks of one style."""

from collections.abc import Callable, Sequence
from typing import Any

from keras_style.internal.tensorflow import keras
from keras_style.layers import Conv2D, ReflectionPadding2D
from keras_style.models.image_network import CHANNELS_LAST, normal

LARGE, SMALL = 9, 3  # pixels of the kernels: of the first and the last convolution, and of the others
MULTIPLE = 4  # of a picture's sides: two convolutions halve them


def transformation(
    images: Any,
    filters: Sequence[int],
    blocks: int,
    expand: Sequence[int],
    normalize: Callable[[Any, str], Any],
    seed: int | None,
    policy: Any,
    channels: int,
    use_bias: bool,
) -> Any:
    """The network's layers on a symbolic tensor of images (B, H, W, channels), up to the last convolution.

    Two convolutions halve the size, residual blocks follow, and two enlargements by the nearest neighbor, each with a
    convolution after it, which leaves no checkerboard. Pictures are reflected at their borders before every
    convolution.

    Args:
        images: the symbolic tensor.
        filters: of the first three convolutions; the blocks have as many as the third.
        blocks: how many residual blocks.
        expand: filters after each of the two enlargements.
        normalize: a function from what a convolution gives, and its label, to the normalized maps. It is called in
            the network's order, for the last convolution too.
        seed: of the kernels' start, N(0, 0.02^2); None takes Keras's global seed.
        policy: a Keras dtype policy.
        channels: of the images.
        use_bias: whether convolutions add a bias.

    Returns:
        A symbolic tensor of the shape of the images.

    Reference: Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016;
    Dumoulin et al., "A Learned Representation for Artistic Style", ICLR 2017, appendix.
    """
    kernel = normal(seed)

    def convolve(x: Any, count: int, size: int, label: str, strides: int = 1, columns: int = 1) -> Any:
        x = ReflectionPadding2D(size // 2, name=f"{label}_pad", dtype=policy)(x)
        options: dict[str, Any] = {
            "use_bias": use_bias,
            "kernel_initializer": kernel(),
            "name": label,
            "dtype": policy,
        }
        if columns > 1:
            x = Conv2D(count, size, columns=columns, **options)(x)
        else:
            x = keras.layers.Conv2D(count, size, strides=strides, **CHANNELS_LAST, **options)(x)
        return normalize(x, label)

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
    return convolve(x, channels, LARGE, f"expand_{len(expand)}", columns=MULTIPLE)
