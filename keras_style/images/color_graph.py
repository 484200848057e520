"""`color` inside a graph: luminance-only transfer and color matching of images (H, W, 3) whose sizes are not known."""

from keras_style.images.color import FLAT, RIDGE, YIQ_LUMINANCE
from keras_style.internal.tensorflow import tf


def luminance(image: tf.Tensor) -> tf.Tensor:
    """Y of YIQ, (H, W, 1)."""
    return tf.tensordot(image, tf.constant(YIQ_LUMINANCE, image.dtype), 1)[..., None]


def luminance_pair(content: tf.Tensor, style: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`color.luminance_pair`: the gray content, and the gray style with the content's mean and standard deviation."""
    grays = luminance(content), luminance(style)
    (mean_c, deviation_c), (mean_s, deviation_s) = (_spread(tf.cast(gray, tf.float64)) for gray in grays)
    matched = deviation_c / tf.maximum(deviation_s, FLAT) * (tf.cast(grays[1], tf.float64) - mean_s) + mean_c
    pair = (tf.cast(tf.clip_by_value(gray, 0, 1), content.dtype) for gray in (grays[0], matched))
    return tuple(tf.repeat(gray, 3, axis=-1) for gray in pair)


def restore_chroma(stylized: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """`color.restore_chroma`: Y of the stylized image with I and Q of the content."""
    return tf.clip_by_value(content + (luminance(stylized) - luminance(content)), 0, 1)


def match(style: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """`color.match`: the style with the content's mean color and covariance."""
    (mean_s, covariance_s), (mean_c, covariance_c) = _moments(style), _moments(content)
    a = tf.matmul(_power(covariance_c, 0.5), _power(covariance_s, -0.5))
    matched = tf.tensordot(tf.cast(style, tf.float64) - mean_s, a, [[2], [1]]) + mean_c
    return tf.cast(tf.clip_by_value(matched, 0, 1), style.dtype)


def _spread(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.reduce_mean(values), tf.math.reduce_std(values)


def _moments(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    pixels = tf.cast(tf.reshape(image, [-1, 3]), tf.float64)
    mean = tf.reduce_mean(pixels, axis=0)
    products = tf.matmul(pixels - mean, pixels - mean, transpose_a=True)
    return mean, products / tf.cast(tf.shape(pixels)[0], tf.float64) + RIDGE * tf.eye(3, dtype=tf.float64)


def _power(symmetric: tf.Tensor, exponent: float) -> tf.Tensor:
    values, vectors = tf.linalg.eigh(symmetric)
    return tf.matmul(vectors * values**exponent, vectors, transpose_b=True)
