"""SciPy's L-BFGS-B, which without bounds is L-BFGS, over the coordinates of a picture."""

from collections.abc import Callable

import numpy as np
import scipy.optimize

from oracles.coordinates import Coordinates, Pixels

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]  # value and gradient (B, H, W, 3) of images (B, H, W, 3)


def minimize(
    function: Function, image: np.ndarray, steps: int, units: np.ndarray | None, history: int = 10
) -> tuple[list[np.ndarray], int]:
    """The picture after each iteration, in multiples of 2^-16; and how many gradients were taken."""
    coordinates = Pixels(image.shape, 0.02) if units is None else Coordinates(image.shape, 0.02, units)
    iterates: list[np.ndarray] = []
    scale = 0.0

    def picture(point: np.ndarray) -> np.ndarray:
        return (np.round(coordinates.pixels(point)[0] * 2**16) / 2**16).astype(image.dtype)

    def scaled(point: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal scale
        value, gradient = function(picture(point))
        slope = coordinates.gradient(gradient, coordinates.pixels(point)[1])
        scale = scale or 1 / np.linalg.norm(slope)
        return scale * value, scale * slope

    result = scipy.optimize.minimize(
        scaled,
        coordinates.of(image),
        method="L-BFGS-B",
        jac=True,
        callback=lambda point: iterates.append(picture(point)),
        options={"maxiter": steps, "maxfun": 2 * steps, "maxcor": history, "ftol": 0.0, "gtol": 0.0, "maxls": 20},
    )
    return iterates, int(result.nfev)
