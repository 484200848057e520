"""How many floating-point operations an optimization step takes: a multiplication and an addition are two."""

from collections.abc import Sequence

from keras_style import weights


def of_step(height: int, width: int, last: str, style: Sequence[str]) -> int:
    """FLOPs of one step on an image (height, width): VGG16 to the layer `last`, with Gram losses on `style`.

    A convolution of N to N' filters, 3 x 3, costs 18 N N' a position on the way forward, and again on the way back to
    its input; kernels get no gradient. A Gram matrix of N filters costs 2 N^2 a position, and its gradient as much.
    What takes only a few operations a value (biases, ReLU, pooling, the content loss) is left out.
    """
    total, channels, block = 0, 3, 1
    for layer in weights.layer_names("vgg16"):
        if int(layer[5]) != block:
            block = int(layer[5])
            height, width = height // 2, width // 2
        filters = weights.CHANNELS[block - 1]
        total += 2 * height * width * 18 * channels * filters
        if layer in style:
            total += 2 * height * width * 2 * filters**2
        if layer == last:
            return total
        channels = filters
    raise ValueError(f"no layer {last}")
