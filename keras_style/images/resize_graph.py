"""`images.resize` and its sizes inside a graph: Pillow's Lanczos, for sizes that are known only when it runs."""

import math

from keras_style.images import GRID
from keras_style.internal.tensorflow import tf

LOBES = 3  # of Lanczos's window, as in Pillow


def fitted_size(
    height: tf.Tensor | int, width: tf.Tensor | int, long_side: tf.Tensor | int
) -> tuple[tf.Tensor, tf.Tensor]:
    """`images.fitted_size`: (height, width) scaled so that the longer is `long_side`; all int32."""
    sides = tf.cast(tf.stack([height, width]), tf.int64)
    longest = tf.reduce_max(sides)
    scaled = (2 * sides * tf.cast(long_side, tf.int64) + longest) // (2 * longest)
    return tuple(tf.unstack(tf.maximum(1, tf.cast(scaled, tf.int32))))


def scaled_alike(height: tf.Tensor, width: tf.Tensor, long_side: tf.Tensor, last: int) -> tuple[tf.Tensor, tf.Tensor]:
    """`schedule.scaled_alike`: the size of an image that belongs to a picture of long side `last`, at a scale."""
    longest = tf.cast(tf.maximum(height, width), tf.float64) * tf.cast(long_side, tf.float64)
    return fitted_size(height, width, tf.maximum(1, tf.cast(tf.round(longest / last), tf.int32)))


def resize(image: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """`images.resize` of an image (H, W, C) in [0, 1], float32.

    Pillow's two passes, across and then down, each summed in float64, kept in float32 and rounded to `GRID`. A pass
    that changes nothing is left out; an image that has the size already stays as it is.
    """
    resized = _along_columns(_along_rows(image, width), height)
    same = tf.reduce_all(tf.shape(image)[:2] == tf.stack([height, width]))
    return tf.where(same, resized, tf.clip_by_value(resized, 0, 1))


def _along_rows(image: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    def resized() -> tf.Tensor:
        return tf.transpose(_along_columns(tf.transpose(image, [1, 0, 2]), width), [1, 0, 2])

    return tf.cond(tf.shape(image)[1] == width, lambda: image, resized)


def _along_columns(image: tf.Tensor, height: tf.Tensor) -> tf.Tensor:
    size = tf.shape(image)

    def resized() -> tf.Tensor:
        rows = tf.cast(tf.reshape(image, [size[0], -1]), tf.float64)
        mixed = tf.sparse.sparse_dense_matmul(lanczos(size[0], height), rows)
        rounded = tf.round(tf.cast(mixed, image.dtype) * GRID) / GRID
        return tf.reshape(rounded, [height, size[1], image.shape[2]])

    return tf.cond(size[0] == height, lambda: image, resized)


def lanczos(before: tf.Tensor, after: tf.Tensor) -> tf.SparseTensor:
    """Weights of `before` samples in each of `after` samples: float64 (after, before), whose rows add up to 1.

    The window is centered on the new sample, three lobes to each side, wider by the factor of a reduction, and cut off
    at the ends.
    """
    scale = tf.cast(before, tf.float64) / tf.cast(after, tf.float64)
    wider = tf.maximum(scale, 1)
    reach = LOBES * wider
    centers = (tf.range(tf.cast(after, tf.float64)) + 0.5) * scale
    first = tf.maximum(tf.cast(centers - reach + 0.5, tf.int32), 0)
    end = tf.minimum(tf.cast(centers + reach + 0.5, tf.int32), before)
    at = first[:, None] + tf.range(2 * tf.cast(tf.math.ceil(reach), tf.int32) + 1)
    x = (tf.cast(at, tf.float64) - centers[:, None] + 0.5) * (1 / wider)
    inside = (at < end[:, None]) & (x >= -LOBES) & (x < LOBES)
    weights = tf.where(inside, _sinc(x) * _sinc(x / LOBES), tf.zeros_like(x))
    # Added up in Pillow's order: 8-bit levels often meet halfway between two numbers of float32, where one bit decides.
    weights /= tf.cumsum(weights, axis=1)[:, -1:]
    columns = tf.minimum(at, before - 1)  # beyond the window a sample counts 0
    rows = tf.broadcast_to(tf.range(after)[:, None], tf.shape(at))
    indices = tf.cast(tf.reshape(tf.stack([rows, columns], axis=2), [-1, 2]), tf.int64)
    return tf.SparseTensor(indices, tf.reshape(weights, [-1]), tf.cast(tf.stack([after, before]), tf.int64))


def _sinc(x: tf.Tensor) -> tf.Tensor:
    return tf.where(x == 0, tf.ones_like(x), tf.math.divide_no_nan(tf.sin(math.pi * x), math.pi * x))
