"""L-BFGS-B on pixels: SciPy's line search and history around a TensorFlow gradient."""

import numpy as np
import scipy.optimize

from keras_style.errors import DivergenceError
from keras_style.images import GRID
from keras_style.optimize.gradient import LossesAndGradient
from keras_style.optimize.iterate import Iterate, OnIterate
from keras_style.runtime import tf

HISTORY = 10  # pairs of vectors; each pair costs 16 bytes per pixel and channel

# A line search multiplies the last bits of its doubles: a float32 that is rounded the other way in one pixel grows into
# another picture within some 30 iterations. On a coarser grid, 1/257 of an 8-bit level, that comes so late and so
# rarely that SciPy's run and the graph's stay one picture to the eye. The loss reached after 400 steps is the same.
_GRID = float(GRID)

# Root mean square of the pixels' first step, ours. Within bounds on all sides it is at most the gradient itself, which
# for each of many pixels is smaller than the grid.
FIRST_MOVE = 0.02

ONE_DRAW = tf.constant(1, tf.int64)  # a line search compares values: random losses must not change under it


def on_grid(pixels: np.ndarray | tf.Tensor, dtype: np.dtype) -> tf.Tensor:
    """Pixels in [0, 1] as the objective sees them and pictures show them: multiples of 1 / `GRID`."""
    return tf.cast(tf.round(tf.cast(pixels, tf.float64) * _GRID) / _GRID, dtype)


def lbfgs(evaluate: LossesAndGradient, image: np.ndarray, steps: int, on_iterate: OnIterate) -> np.ndarray:
    """Minimize within [0, 1] by at most `steps` iterations of L-BFGS-B, most of which cost one gradient.

    The objective is scaled so that pixels move by `FIRST_MOVE` in the first trial, and enters SciPy as float64; `ftol`
    and `gtol` are 0. What is evaluated, and shown, are pixels `on_grid`. It ends before `steps` only if no further
    descent is found (float32 has a floor) or twice as many gradients were taken.

    Args:
        evaluate: the losses of images (B, H, W, 3) and step, and their gradient; called eagerly.
        image: (B, H, W, 3), where to start.
        steps: how many iterations.
        on_iterate: called after each iteration; returns True to stop.

    Returns:
        The last image.

    Raises:
        DivergenceError: the loss is not finite.
    """
    shape, dtype = image.shape, image.dtype
    scale = 0.0
    number = 0
    latest: dict[str, float] = {}

    def objective(pixels: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal scale, latest
        values, gradient = evaluate(on_grid(pixels.reshape(shape), dtype), ONE_DRAW)
        latest = {name: float(value) for name, value in values.items()}
        total = sum(latest.values())
        if not np.isfinite(total):
            raise DivergenceError(f"the loss is not finite after {number} iterations of L-BFGS: {latest}")
        slopes = gradient.numpy().ravel().astype(np.float64)
        scale = scale or FIRST_MOVE / (float(np.sqrt(np.mean(slopes**2))) or 1.0)
        return scale * total, scale * slopes

    def picture(pixels: np.ndarray) -> np.ndarray:
        seen: np.ndarray = on_grid(pixels.reshape(shape), dtype).numpy()
        return seen

    def report(intermediate_result: scipy.optimize.OptimizeResult) -> None:
        nonlocal number
        number += 1
        pixels = intermediate_result.x
        iterate = Iterate(number, steps, latest, lambda: picture(pixels), tuple)
        if on_iterate(iterate) is True:
            raise StopIteration

    result = scipy.optimize.minimize(
        objective,
        image.ravel().astype(np.float64),
        method="L-BFGS-B",
        jac=True,
        bounds=[(0.0, 1.0)] * image.size,
        callback=report,
        options={"maxiter": steps, "maxfun": 2 * steps, "maxcor": HISTORY, "ftol": 0.0, "gtol": 0.0, "maxls": 20},
    )
    return picture(result.x)
