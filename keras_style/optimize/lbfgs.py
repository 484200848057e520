"""L-BFGS on a picture: SciPy's line search and history around a TensorFlow gradient."""

import numpy as np
import scipy.optimize

from keras_style.errors import DivergenceError
from keras_style.images import GRID
from keras_style.internal.tensorflow import tf
from keras_style.optimize.coordinates import UNITS, Coordinates
from keras_style.optimize.gradient import LossesAndGradient
from keras_style.optimize.iterate import Iterate, OnIterate

HISTORY = 10  # pairs of vectors; each pair costs 16 bytes per pixel and channel

# A line search multiplies the last bits of its doubles: a float32 that is rounded the other way in one pixel grows into
# another picture within some 30 iterations. On a coarser grid, 1/257 of an 8-bit level, that comes so late and so
# rarely that SciPy's run and the graph's stay one picture to the eye. The loss reached after 400 steps is the same.
_GRID = float(GRID)

# Root mean square of the pixels' first step, ours. SciPy's is a vector of length one, of which each of many pixels
# would have less than the grid.
FIRST_MOVE = 0.02

ONE_DRAW = tf.constant(1, tf.int64)  # a line search compares values: random losses must not change under it


def on_grid(pixels: np.ndarray | tf.Tensor, dtype: np.dtype) -> tf.Tensor:
    """Pixels in [0, 1] as the objective sees them and pictures show them: multiples of 1 / `GRID`."""
    return tf.cast(tf.round(tf.cast(pixels, tf.float64) * _GRID) / _GRID, dtype)


def lbfgs(
    evaluate: LossesAndGradient, image: np.ndarray, steps: int, on_iterate: OnIterate, units: np.ndarray = UNITS
) -> np.ndarray:
    """Minimize within [0, 1] by at most `steps` iterations of L-BFGS, most of which cost one gradient.

    What SciPy minimizes over are `Coordinates`, without bounds, in float64; `ftol` and `gtol` are 0. The objective is
    scaled to a first gradient of length one, as SciPy does not look further than 1e10 gradients. What is evaluated, and
    shown, are pixels `on_grid`. It ends before `steps` only if no further descent is found (float32 has a floor) or
    twice as many gradients were taken.

    Args:
        evaluate: the losses of images (B, H, W, 3) and step, and their gradient; called eagerly.
        image: (B, H, W, 3), where to start.
        steps: how many iterations.
        on_iterate: called after each iteration; returns True to stop.
        units: of the coordinates.

    Returns:
        The last image.

    Raises:
        DivergenceError: the loss is not finite.
    """
    dtype = image.dtype
    coordinates = Coordinates(image.shape, FIRST_MOVE, units)
    scale = 0.0
    number = 0
    latest: dict[str, float] = {}

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal scale, latest
        pixels, slopes = coordinates.pixels(point)
        values, gradient = evaluate(on_grid(pixels, dtype), ONE_DRAW)
        latest = {name: float(value) for name, value in values.items()}
        total = sum(latest.values())
        if not np.isfinite(total):
            raise DivergenceError(f"the loss is not finite after {number} iterations of L-BFGS: {latest}")
        slope = coordinates.gradient(gradient.numpy(), slopes)
        scale = scale or 1 / (float(np.linalg.norm(slope)) or 1.0)
        return scale * total, scale * slope

    def picture(point: np.ndarray) -> np.ndarray:
        seen: np.ndarray = on_grid(coordinates.pixels(point)[0], dtype).numpy()
        return seen

    def report(intermediate_result: scipy.optimize.OptimizeResult) -> None:
        nonlocal number
        number += 1
        point = intermediate_result.x
        iterate = Iterate(number, steps, latest, lambda: picture(point), tuple)
        if on_iterate(iterate) is True:
            raise StopIteration

    result = scipy.optimize.minimize(
        objective,
        coordinates.of(image),
        method="L-BFGS-B",  # which without bounds is L-BFGS
        jac=True,
        callback=report,
        options={"maxiter": steps, "maxfun": 2 * steps, "maxcor": HISTORY, "ftol": 0.0, "gtol": 0.0, "maxls": 20},
    )
    return picture(result.x)
