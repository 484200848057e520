"""A picture painted by a row of numbers: of any size, with strokes of any size."""

from typing import Any

import numpy as np

from keras_style import images
from keras_style.internal.tensorflow import tf
from keras_style.models.frozen import frozen
from keras_style.models.strips import Strips
from keras_style.models.transformation import MULTIPLE

# Ours: a picture of more pixels is painted in strips. At once it takes some 400 bytes a pixel.
AT_ONCE = 3_000_000
STRIP = 600_000  # pixels of a strip


def brushed(network: Any, picture: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The network's answer to a picture, by a row.

    Args:
        network: what `painter_network` makes.
        picture: (H, W, 3) in [0, 1]; where a side is no multiple of four, it is reflected up to the next one.
        row: (N,).

    Returns:
        float32 (H, W, 3) in [0, 1].
    """
    height, width, _ = picture.shape
    extended = np.pad(picture, ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0)), mode="reflect")
    if height * width > AT_ONCE:
        rows = max(MULTIPLE, STRIP // extended.shape[1] // MULTIPLE * MULTIPLE)
        answer = Strips(network, rows, row[None])(extended)
    else:
        answer = _graph(network)(tf.constant(extended[None]), tf.constant(row[None]))[0].numpy()
    return np.asarray(answer[:height, :width], np.float32)


def _graph(network: Any) -> Any:
    # A single picture, which is normalized by a faster operation.
    specs = [tf.TensorSpec((1, None, None, 3), tf.float32), tf.TensorSpec((1, network.inputs[1].shape[1]), tf.float32)]
    return frozen(network, "painted", lambda network, image, row: network([image, row], training=False), specs)


def with_stroke(network: Any, picture: np.ndarray, row: np.ndarray, stroke: float) -> np.ndarray:
    """`brushed` with strokes `stroke` times as large: a smaller or larger copy is painted, and resized."""
    height, width, _ = picture.shape
    sides = [max(images.MIN_SIDE, round(side / stroke)) for side in (height, width)]
    if stroke == 1 or sides == [height, width]:
        return brushed(network, picture, row)
    return images.resize(brushed(network, images.resize(picture, *sides), row), height, width)
