"""Histogram matching and Wasserstein distances of features (height, width, filters): sorting and quantiles of NumPy."""

import numpy as np


def columns(features: np.ndarray) -> np.ndarray:
    """The values of each filter, (filters, positions)."""
    return features.reshape(-1, features.shape[-1]).T.astype(np.float64)


def aims(values: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The target's quantiles at the ranks of `values` (positions,); equal values share the mean of theirs."""
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    quantiles = np.quantile(target, (ranks + 0.5) / len(values), method="hazen")
    result = quantiles.copy()
    for value in np.unique(values):
        result[values == value] = quantiles[values == value].mean()
    return result


def transport(image: np.ndarray, style: np.ndarray, power: int = 2) -> float:
    """Mean over filters of mean |sort x - quantiles of y|^power."""
    distances = []
    for x, y in zip(columns(image), columns(style), strict=True):
        at = (np.arange(len(x)) + 0.5) / len(x)
        distances.append((np.abs(np.sort(x) - np.quantile(y, at, method="hazen")) ** power).mean())
    return float(np.mean(distances))


def gradient(image: np.ndarray, style: np.ndarray) -> np.ndarray:
    """2 (x - R(x)) / (N M)."""
    pairs = zip(columns(image), columns(style), strict=True)
    return np.stack([2 * (x - aims(x, y)) for x, y in pairs], axis=-1).reshape(image.shape) / image.size
