"""Measures that nobody optimizes, in float64 NumPy and without any network: how near a picture is to style and content.

`style_distance`: sliced 1-D Wasserstein distance between the color patches of two pictures, over three patch sizes: it
sees palette (1 x 1) and strokes (3 x 3 and 7 x 7, at two scales), and is 0 for a picture against itself.
`contours`: correlation of the luminance gradients of two pictures: 1 where every contour has stayed.
"""

import numpy as np

PATCHES = ((1, 1), (3, 1), (7, 2))  # side of a patch in samples, pixels between samples
DIRECTIONS = 128
SAMPLES = 20_000


def style_distance(picture: np.ndarray, painting: np.ndarray, seed: int = 0) -> float:
    """Mean distance, in units of color values, between (H, W, 3) in [0, 1] and a painting of any size."""
    random = np.random.default_rng(seed)
    return float(np.mean([_sliced(picture, painting, side, step, random) for side, step in PATCHES]))


def contours(picture: np.ndarray, photograph: np.ndarray) -> float:
    """Correlation in [-1, 1] of gradient magnitudes, for two pictures of one size."""
    first, second = (_gradient_magnitude(image) for image in (picture, photograph))
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _sliced(a: np.ndarray, b: np.ndarray, side: int, step: int, random: np.random.Generator) -> float:
    patches = [_patches(image.astype(np.float64), side, step) for image in (a, b)]
    directions = random.standard_normal((patches[0].shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    levels = (np.arange(512) + 0.5) / 512
    quantiles = []
    for each in patches:
        chosen = each[random.integers(0, len(each), SAMPLES)]
        quantiles.append(np.quantile(chosen @ directions, levels, axis=0))
    return float(np.abs(quantiles[0] - quantiles[1]).mean())


def _patches(image: np.ndarray, side: int, step: int) -> np.ndarray:
    height, width = image.shape[:2]
    reach = (side - 1) * step
    shifted = [
        image[row : height - reach + row, column : width - reach + column]
        for row in range(0, reach + 1, step)
        for column in range(0, reach + 1, step)
    ]
    return np.concatenate(shifted, axis=-1).reshape(-1, side * side * image.shape[-1])


def _gradient_magnitude(image: np.ndarray) -> np.ndarray:
    gray = image.astype(np.float64) @ (0.299, 0.587, 0.114)
    return np.hypot(*np.gradient(gray))
