"""Derivatives by central differences."""

from collections.abc import Callable

import numpy as np

Function = Callable[[np.ndarray], float]


def along(function: Function, point: np.ndarray, direction: np.ndarray, h: float) -> float:
    """The derivative of `function` at `point` along `direction`."""
    return (function(point + h * direction) - function(point - h * direction)) / (2 * h)


def gradient(function: Function, point: np.ndarray, h: float) -> np.ndarray:
    """All partial derivatives of `function` at `point`."""
    derivatives = np.empty_like(point)
    for index in np.ndindex(point.shape):
        axis = np.zeros_like(point)
        axis[index] = 1
        derivatives[index] = along(function, point, axis, h)
    return derivatives
