"""The noise that a picture can start from."""

import numpy as np

GRAY = np.array([123.68, 116.779, 103.939], np.float32) / 255  # the mean that VGG was trained with, as RGB


def around_gray(pixels: int, deviation: float, seed: int) -> np.ndarray:
    """Normal noise around mean gray, (pixels, 3) float32; fewer pixels of one seed are the first of more.

    Args:
        pixels: their number.
        deviation: standard deviation, of pixels in [0, 1]; a large one leaves that range.
        seed: of the random numbers.
    """
    drawn = np.random.default_rng(seed).standard_normal((pixels, 3), np.float32)
    return GRAY + np.float32(deviation) * drawn
