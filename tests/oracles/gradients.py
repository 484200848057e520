"""Derivatives by central differences, of functions that take many points at once."""

from collections.abc import Callable, Sequence

import numpy as np

Function = Callable[[np.ndarray], Sequence[float] | np.ndarray]  # (B, ...) to B values


def one_by_one(function: Callable[[np.ndarray], float]) -> Function:
    """A function of a single point as one of many."""
    return lambda points: [float(function(point)) for point in points]


def along(function: Function, point: np.ndarray, directions: np.ndarray, h: float) -> np.ndarray:
    """The derivatives of `function` at `point` along each of `directions`, from one call for all of them."""
    values = np.asarray(function(np.concatenate([point + h * directions, point - h * directions])), np.float64)
    assert values.shape == (2 * len(directions),)
    return (values[: len(directions)] - values[len(directions) :]) / (2 * h)


def gradient(function: Function, point: np.ndarray, h: float) -> np.ndarray:
    """All partial derivatives of `function` at `point`."""
    axes = np.eye(point.size).reshape(point.size, *point.shape)
    return along(function, point, axes, h).reshape(point.shape)
