"""Losses as their papers and programs state them, on features (height, width, filters)."""

import numpy as np


def gram(features: np.ndarray) -> np.ndarray:
    """G_ij = sum over positions of F_i F_j: eq. 3 of Gatys et al. 2016."""
    features = features.astype(np.float64)
    return np.einsum("hwi,hwj->ij", features, features)


def paper_energy(image: np.ndarray, style: np.ndarray) -> float:
    """E of eq. 4, for features of equal size."""
    height, width, filters = image.shape
    difference = gram(image) - gram(style)
    return float((difference**2).sum() / (4 * filters**2 * (height * width) ** 2))


def mse_of_gram_over_positions(image: np.ndarray, style: np.ndarray) -> float:
    """nn.MSELoss of bmm(F, F').div(h * w), as in the notebook of Gatys."""
    a, b = (gram(f) / (f.shape[0] * f.shape[1]) for f in (image, style))
    return float(((a - b) ** 2).mean())


def mse_of_gram_over_elements(image: np.ndarray, style: np.ndarray) -> float:
    """nn.MSECriterion of the Gram matrix divided by nElement, as in neural-style."""
    a, b = (gram(f) / f.size for f in (image, style))
    return float(((a - b) ** 2).mean())


def keras_example(image: np.ndarray, style: np.ndarray, pixels: int) -> float:
    """The style loss of Keras's example, with the size of the image rather than of the features."""
    channels = 3
    return float(((gram(style) - gram(image)) ** 2).sum() / (4.0 * channels**2 * pixels**2))


def polynomial_mmd(image: np.ndarray, style: np.ndarray) -> float:
    """Squared maximum mean discrepancy with the kernel (x'y)^2, pair by pair."""
    xs, ys = (f.reshape(-1, f.shape[-1]).astype(np.float64) for f in (image, style))

    def mean_kernel(left: np.ndarray, right: np.ndarray) -> float:
        return sum(float(a @ b) ** 2 for a in left for b in right) / (len(left) * len(right))

    return mean_kernel(xs, xs) + mean_kernel(ys, ys) - 2 * mean_kernel(xs, ys)


def content(image: np.ndarray, target: np.ndarray) -> float:
    """1/2 sum (F - P)^2: eq. 1."""
    return float(0.5 * ((image.astype(np.float64) - target.astype(np.float64)) ** 2).sum())


def total_variation(image: np.ndarray, exponent: float) -> float:
    """Mean of (dx^2 + dy^2)^(exponent / 2) over all pixels that have a neighbor below and one to the right."""
    image = image.astype(np.float64)
    height, width, channels = image.shape
    values = [
        ((image[y + 1, x, c] - image[y, x, c]) ** 2 + (image[y, x + 1, c] - image[y, x, c]) ** 2) ** (exponent / 2)
        for y in range(height - 1)
        for x in range(width - 1)
        for c in range(channels)
    ]
    return float(np.mean(values))
