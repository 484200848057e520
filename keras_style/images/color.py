"""The content's colors, kept: luminance-only transfer and color matching, for Python and inside a graph.

Images are (height, width, 3), RGB in [0, 1], float32 or float64: arrays or tensors, in a graph of any size. Results are
tensors, with the dtype of their image.

Reference:
    Gatys, Bethge, Hertzmann, Shechtman, "Preserving Color in Neural Artistic Style Transfer", arXiv 1606.05897.
"""

from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf

YIQ_LUMINANCE = (0.299, 0.587, 0.114)  # NTSC 1953, the Y of YIQ

# Standard deviation, a fortieth of an 8-bit level: a flatter style holds rounding noise, which must not be amplified.
FLAT = 1e-4

# eps of match_color in github.com/leongatys/NeuralImageSynthesis, ExampleNotebooks/ScaleControl.ipynb
RIDGE = 1e-5


def luminance(image: tf.Tensor) -> tf.Tensor:
    """Y of YIQ.

    Args:
        image: (height, width, 3) in [0, 1].

    Returns:
        (height, width, 1) in [0, 1], of the same dtype.
    """
    return tf.tensordot(image, tf.constant(YIQ_LUMINANCE, image.dtype), 1)[..., None]


def luminance_pair(content: tf.Tensor, style: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The two gray images of luminance-only transfer; the style's has the content's mean and standard deviation.

    L_S' = sigma_C / sigma_S (L_S - mu_S) + mu_C, clipped to [0, 1]. A constant style becomes constant, mu_C.

    Args:
        content: (height, width, 3) in [0, 1].
        style: (height, width, 3) in [0, 1], of any size.

    Returns:
        Content and style, each of its own size and dtype, with three equal channels.

    Reference:
        arXiv 1606.05897, "Luminance-only transfer".
    """
    content_gray, style_gray = luminance(content), luminance(style)
    (mean_c, deviation_c), (mean_s, deviation_s) = _spread(content_gray), _spread(style_gray)
    matched = deviation_c / tf.maximum(deviation_s, FLAT) * (tf.cast(style_gray, tf.float64) - mean_s) + mean_c
    return _three_channels(_clipped(content_gray, content.dtype)), _three_channels(_clipped(matched, style.dtype))


def restore_chroma(stylized: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """Y of the stylized image with I and Q of the content, back in RGB, clipped to [0, 1].

    Args:
        stylized: (height, width, 3) in [0, 1].
        content: the same shape.

    Returns:
        (height, width, 3), of the dtype of `stylized`.

    Raises:
        InputError: the shapes differ.
    """
    if not tf.TensorShape(stylized.shape).is_compatible_with(content.shape):
        raise InputError(
            f"the stylized image has shape {tuple(stylized.shape)} and the content {tuple(content.shape)}; "
            "expected equal shapes"
        )
    # I and Q are differences of channels: what shifts R, G and B equally changes Y alone.
    return _clipped(content + (luminance(stylized) - luminance(content)), stylized.dtype)


def matching_map(style: tf.Tensor, content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The affine map x -> A x + b that gives the style's pixels the content's mean and covariance.

    A = Sigma_C^(1/2) Sigma_S^(-1/2) with symmetric square roots, b = mu_C - A mu_S. Both covariances carry a ridge of
    1e-5, without which a gray image, whose covariance is singular, would have no such map.

    Args:
        style: (height, width, 3) in [0, 1].
        content: (height, width, 3) in [0, 1], of any size.

    Returns:
        A, float64 (3, 3), and b, float64 (3,).

    Reference:
        arXiv 1606.05897, "Color histogram matching": the form of "Image Analogies", which it prefers.
    """
    mean_s, covariance_s = _moments(style)
    mean_c, covariance_c = _moments(content)
    a = tf.matmul(_power(covariance_c, 0.5), _power(covariance_s, -0.5))
    return a, mean_c - tf.linalg.matvec(a, mean_s)


def match(style: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """The style in the content's colors: `matching_map` applied to it, clipped to [0, 1].

    Args:
        style: (height, width, 3) in [0, 1].
        content: (height, width, 3) in [0, 1], of any size.

    Returns:
        (height, width, 3), of the style's size and dtype.
    """
    a, b = matching_map(style, content)
    return _clipped(tf.tensordot(tf.cast(style, tf.float64), a, [[2], [1]]) + b, style.dtype)


def _clipped(image: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(image, 0, 1), dtype)


def _three_channels(gray: tf.Tensor) -> tf.Tensor:
    return tf.repeat(gray, 3, axis=-1)


def _spread(gray: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and standard deviation, float64."""
    values = tf.cast(gray, tf.float64)
    return tf.reduce_mean(values), tf.math.reduce_std(values)


def _moments(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    pixels = tf.cast(tf.reshape(image, [-1, 3]), tf.float64)
    mean = tf.reduce_mean(pixels, axis=0)
    products = tf.matmul(pixels - mean, pixels - mean, transpose_a=True)
    return mean, products / tf.cast(tf.shape(pixels)[0], tf.float64) + RIDGE * tf.eye(3, dtype=tf.float64)


def _power(symmetric: tf.Tensor, exponent: float) -> tf.Tensor:
    values, vectors = tf.linalg.eigh(symmetric)
    return tf.matmul(vectors * values**exponent, vectors, transpose_b=True)
