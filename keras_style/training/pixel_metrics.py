"""Pixel-wise distances between pictures and the true ones, where these are known."""

from collections.abc import Sequence

import numpy as np

from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf

WINDOW = 11  # pixels, with a standard deviation of 1.5 (Wang et al. 2004, section III-B)


def mean_absolute_error(pictures: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> float:
    """Mean over pictures of the mean absolute difference of their values.

    Args:
        pictures, truth: arrays (H, W, 3) in [0, 1], in one order.
    """
    return float(np.mean([np.abs(x - y).mean(dtype=np.float64) for x, y in zip(pictures, truth, strict=True)]))


def ssim(pictures: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> float:
    """Mean over pictures of their structural similarity, of each color by itself; 1 where they are equal.

    Args:
        pictures, truth: arrays (H, W, 3) in [0, 1], in one order; sides of at least 11 pixels.

    Raises:
        InputError: a picture is smaller than the window.

    Reference: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004.
    """
    small = [picture.shape for picture in pictures if min(picture.shape[:2]) < WINDOW]
    if small:
        raise InputError(f"a picture of shape {small[0]}; expected sides of at least {WINDOW} pixels for SSIM")
    pairs = zip(pictures, truth, strict=True)
    return float(np.mean([tf.image.ssim(x, y, max_val=1.0, filter_size=WINDOW) for x, y in pairs]))
