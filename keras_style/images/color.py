"""The content's colors, kept: luminance-only transfer and color matching.

Reference:
    Gatys, Bethge, Hertzmann, Shechtman, "Preserving Color in Neural Artistic Style Transfer", arXiv 1606.05897.

Images are arrays (height, width, 3), RGB in [0, 1], float32 or float64; results have the dtype of their image.
"""

import numpy as np

from keras_style.errors import InputError

YIQ_LUMINANCE = (0.299, 0.587, 0.114)  # NTSC 1953, the Y of YIQ

# Standard deviation, a fortieth of an 8-bit level: a flatter style holds rounding noise, which must not be amplified.
FLAT = 1e-4

# eps of match_color in github.com/leongatys/NeuralImageSynthesis, ExampleNotebooks/ScaleControl.ipynb
RIDGE = 1e-5


def luminance(image: np.ndarray) -> np.ndarray:
    """Y of YIQ.

    Args:
        image: (height, width, 3) in [0, 1].

    Returns:
        (height, width, 1) in [0, 1], of the same dtype.
    """
    gray: np.ndarray = image @ np.array(YIQ_LUMINANCE, image.dtype)
    return gray[..., np.newaxis]


def luminance_pair(content: np.ndarray, style: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
    mean_c, deviation_c = content_gray.mean(dtype=np.float64), content_gray.std(dtype=np.float64)
    mean_s, deviation_s = style_gray.mean(dtype=np.float64), style_gray.std(dtype=np.float64)
    matched = deviation_c / max(deviation_s, FLAT) * (style_gray - mean_s) + mean_c
    return _three_channels(_clipped(content_gray, content.dtype)), _three_channels(_clipped(matched, style.dtype))


def restore_chroma(stylized: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Y of the stylized image with I and Q of the content, back in RGB, clipped to [0, 1].

    Args:
        stylized: (height, width, 3) in [0, 1].
        content: the same shape.

    Returns:
        (height, width, 3), of the dtype of `stylized`.

    Raises:
        InputError: the shapes differ.
    """
    if stylized.shape != content.shape:
        raise InputError(
            f"the stylized image has shape {stylized.shape} and the content {content.shape}; expected equal shapes"
        )
    # I and Q are differences of channels: what shifts R, G and B equally changes Y alone.
    return _clipped(content + (luminance(stylized) - luminance(content)), stylized.dtype)


def matching_map(style: np.ndarray, content: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
    a = _power(covariance_c, 0.5) @ _power(covariance_s, -0.5)
    return a, mean_c - a @ mean_s


def match(style: np.ndarray, content: np.ndarray) -> np.ndarray:
    """The style in the content's colors: `matching_map` applied to it, clipped to [0, 1].

    Args:
        style: (height, width, 3) in [0, 1].
        content: (height, width, 3) in [0, 1], of any size.

    Returns:
        (height, width, 3), of the style's size and dtype.
    """
    a, b = matching_map(style, content)
    return _clipped(style @ a.T + b, style.dtype)


def _clipped(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return image.clip(0, 1).astype(dtype, copy=False)


def _three_channels(gray: np.ndarray) -> np.ndarray:
    return np.repeat(gray, 3, axis=-1)


def _moments(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pixels = image.reshape(-1, 3).astype(np.float64)
    mean = pixels.mean(axis=0)
    centered = pixels - mean
    return mean, centered.T @ centered / len(pixels) + RIDGE * np.eye(3)


def _power(symmetric: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(symmetric)
    power: np.ndarray = (vectors * values**exponent) @ vectors.T
    return power
