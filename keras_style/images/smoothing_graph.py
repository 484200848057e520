"""`smoothing.smooth` inside a graph."""

from keras_style.images.smoothing import EPSILON, default_radius
from keras_style.internal.tensorflow import tf


def smooth(picture: tf.Tensor, photograph: tf.Tensor, long_side: int) -> tf.Tensor:
    """`smoothing.smooth` of a picture (H, W, 3) in [0, 1], with its own radius and ridge.

    Args:
        picture: float32.
        photograph: of the same size.
        long_side: of both, in pixels.
    """
    radius = default_radius(long_side)
    values, colors = tf.cast(picture, tf.float64), tf.cast(photograph, tf.float64)
    inside = _box(tf.ones_like(colors[..., :1]), radius)

    def mean(planes: tf.Tensor) -> tf.Tensor:
        """Means over windows of (H, W, any, any)."""
        size = tf.shape(planes)
        flat = _box(tf.reshape(planes, [size[0], size[1], planes.shape[2] * planes.shape[3]]), radius) / inside
        return tf.reshape(flat, size)

    colors, values = colors[..., None], values[..., None]
    mean_color, mean_value = mean(colors), mean(values)
    covariance = mean(_outer(colors, colors)) - _outer(mean_color, mean_color)
    joint = mean(_outer(colors, values)) - _outer(mean_color, mean_value)
    slopes = tf.linalg.solve(covariance + EPSILON * tf.eye(3, dtype=tf.float64), joint)
    constants = mean_value - tf.matmul(slopes, mean_color, transpose_a=True)
    smoothed = tf.matmul(mean(slopes), colors, transpose_a=True) + mean(constants)
    return tf.cast(tf.clip_by_value(smoothed[..., 0], 0, 1), picture.dtype)


def _outer(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    return tf.matmul(left, right, transpose_b=True)


def _box(planes: tf.Tensor, radius: int) -> tf.Tensor:
    """Sums over windows (2 radius + 1) x (2 radius + 1) of (H, W, any), cropped at the border."""
    for _ in range(2):
        sums = tf.pad(tf.cumsum(planes, axis=0), [[1, 0], [0, 0], [0, 0]])
        number = tf.shape(planes)[0]
        at = tf.range(number)
        window = tf.gather(sums, tf.minimum(at + radius + 1, number)) - tf.gather(sums, tf.maximum(at - radius, 0))
        planes = tf.transpose(window, [1, 0, 2])
    return planes
