"""Maximum mean discrepancies of vectors (positions, filters), from the kernel of every pair."""

from collections.abc import Callable, Sequence

import numpy as np

Kernel = Callable[[np.ndarray, np.ndarray], float]


def polynomial(degree: int, offset: float) -> Kernel:
    return lambda a, b: float((a @ b + offset) ** degree)


def gaussian(bandwidth: float) -> Kernel:
    """exp(-|a - b|^2 / bandwidth), the bandwidth being 2 sigma^2."""
    return lambda a, b: float(np.exp(-((a - b) ** 2).sum() / bandwidth))


def biased(x: np.ndarray, y: np.ndarray, kernel: Kernel) -> float:
    """Means over all pairs, those of a vector with itself too: eq. 5 of Gretton et al. 2012."""

    def mean(left: np.ndarray, right: np.ndarray) -> float:
        return float(np.mean([kernel(a, b) for a in left for b in right]))

    return mean(x, x) + mean(y, y) - 2 * mean(x, y)


def unbiased(x: np.ndarray, y: np.ndarray, kernel: Kernel) -> float:
    """Mean of k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i) over i != j: eq. 4 of Gretton et al. 2012."""
    pairs = [(i, j) for i in range(len(x)) for j in range(len(x)) if i != j]
    return float(
        np.mean([kernel(x[i], x[j]) + kernel(y[i], y[j]) - kernel(x[i], y[j]) - kernel(x[j], y[i]) for i, j in pairs])
    )


def chained(x: np.ndarray, y: np.ndarray, order: Sequence[int], kernel: Kernel | None = None) -> float:
    """The same over the pairs of neighbors in that order, the last one with the first; Gaussian without a kernel."""
    pairs = list(zip(order, [*order[1:], order[0]], strict=True))
    if kernel is None:
        squares = [
            ((a - b) ** 2).sum() for i, j in pairs for a, b in ((x[i], x[j]), (y[i], y[j]), (x[i], y[j]), (x[j], y[i]))
        ]
        kernel = gaussian(float(np.mean(squares)))
    return float(
        np.mean([kernel(x[i], x[j]) + kernel(y[i], y[j]) - kernel(x[i], y[j]) - kernel(x[j], y[i]) for i, j in pairs])
    )
