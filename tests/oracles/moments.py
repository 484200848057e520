"""Means and standard deviations of features (height, width, filters), two passes in float64."""

import numpy as np


def batch_norm_matching(image: np.ndarray, style: np.ndarray, epsilon: float) -> float:
    """1/N sum over filters of (m - m')^2 + (s - s')^2: Li et al. 2017."""
    total, filters = 0.0, image.shape[-1]
    for channel in range(filters):
        a, b = image[..., channel].astype(np.float64), style[..., channel].astype(np.float64)
        deviations = [np.sqrt(((f - f.mean()) ** 2).mean() + epsilon) for f in (a, b)]
        total += (a.mean() - b.mean()) ** 2 + (deviations[0] - deviations[1]) ** 2
    return total / filters
