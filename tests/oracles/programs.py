"""Gradients as the authors' programs compute them, by their features (positions, filters) or pixels in levels."""

import numpy as np


def demystifying(kernel: str, x: np.ndarray, y: np.ndarray, gamma: float) -> np.ndarray:
    """The gradient of a style term by features x of the image; Li et al.'s neural-style.py, mmd_loss.py, bn_loss.py."""
    positions, filters = x.shape
    if kernel == "bn":
        scale = gamma * 1e3 * positions
        mean, deviation = x.mean(axis=0), x.std(axis=0)
        slope = (mean - y.mean(axis=0)) + (deviation - y.std(axis=0)) / deviation * (x - mean)
        return scale / filters * slope / positions
    weight = gamma * {"linear": 2e3, "poly": 1e-1, "gaussian": 3e14}[kernel] / (positions * filters)
    if kernel == "linear":
        return weight * np.ones((positions, 1)) * (x - y).sum(axis=0)
    if kernel == "poly":
        return weight / filters * x @ (x.T @ x - y.T @ y)
    (x0, x1), (y0, y1) = x, y  # two positions, in an order that leaves both as they are
    squares = [((a - b) ** 2).sum() for a, b in ((x0, x1), (y0, y1), (x0, y1), (y0, x1))]
    inverse = 4 / sum(squares)
    xx, _, xy, yx = np.exp(-inverse * np.array(squares))
    first = -xx * (x0 - x1) + xy * (x0 - y1)
    second = -xx * (x1 - x0) + yx * (x1 - y0)
    return weight * inverse * np.stack([first, second])


def momentum_descent(
    levels: np.ndarray, gradient: np.ndarray, steps: int, rate: float, limit: float, momentum: float = 0.9
) -> np.ndarray:
    """Where a constant gradient takes an image: a gradient longer than `limit` is shortened to it."""
    velocity = np.zeros_like(levels)
    for _ in range(steps):
        velocity = momentum * velocity - rate * gradient * min(1, limit / np.linalg.norm(gradient))
        levels = levels + velocity
    return levels


def variation_of_deepmatting(levels: np.ndarray) -> np.ndarray:
    """TVLoss:updateGradInput of deepmatting_seg.lua with strength 1, of levels (height, width, 3)."""
    gradient, here = np.zeros_like(levels), levels[:-1, :-1]
    across, down = here - levels[:-1, 1:], here - levels[1:, :-1]
    gradient[:-1, :-1] += across + down
    gradient[:-1, 1:] -= across
    gradient[1:, :-1] -= down
    return gradient


def variation_of_demystifying(levels: np.ndarray) -> np.ndarray:
    """The convolution of get_tv_grad_executor of neural-style.py without its weight, away from the border."""
    around = levels[:-2, 1:-1] + levels[2:, 1:-1] + levels[1:-1, :-2] + levels[1:-1, 2:]
    return (4 * levels[1:-1, 1:-1] - around) / 8
