"""How many floating-point operations an optimization step takes: a multiplication and an addition are two."""

from collections.abc import Callable, Sequence

from keras_style.backbones import weights


def direct(height: int, width: int, channels: int, filters: int) -> int:
    """Of a 3 x 3 convolution by its definition."""
    return height * width * 18 * channels * filters


def as_computed(height: int, width: int, channels: int, filters: int) -> int:
    """FLOPs of a convolution as keras_style.backbones.winograd computes it.

    Products at 36 points of tiles of 4 x 4, and the way there and back by matrices of 6 x 6 and 4 x 6 along each axis.
    Convolutions that it leaves alone (keras_style.backbones.vgg) are counted by the definition.
    """
    if channels * filters < 64 * 128 or height * width < 16 * 16:
        return direct(height, width, channels, filters)
    tiles = -(-height // 4) * -(-width // 4)
    there, back = 2 * 2 * 6 * 6 * 6, 2 * (4 * 6 * 6 + 4 * 6 * 4)
    return tiles * (36 * 2 * channels * filters + there * channels + back * filters)


def of_step(
    height: int, width: int, last: str, style: Sequence[str], convolution: Callable[[int, int, int, int], int] = direct
) -> int:
    """FLOPs of one step on an image (height, width): VGG16 to the layer `last`, with Gram losses on `style`.

    A convolution of N to N' filters is one on the way forward, and one of N' to N on the way back to its input; kernels
    get no gradient. A Gram matrix of N filters costs 2 N^2 a position, and its gradient as much. What takes only a few
    operations a value (biases, ReLU, pooling, the content loss) is left out.
    """
    total, channels, block = 0, 3, 1
    for layer in weights.layer_names("vgg16"):
        if int(layer[5]) != block:
            block = int(layer[5])
            height, width = height // 2, width // 2
        filters = weights.CHANNELS[block - 1]
        total += convolution(height, width, channels, filters) + convolution(height, width, filters, channels)
        if layer in style:
            total += 2 * height * width * 2 * filters**2
        if layer == last:
            return total
        channels = filters
    raise ValueError(f"no layer {last}")
