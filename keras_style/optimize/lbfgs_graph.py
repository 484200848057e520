"""L-BFGS on a picture inside a graph: the iterations that SciPy takes, without Python."""

from typing import NamedTuple

import numpy as np

from keras_style.internal.tensorflow import tf
from keras_style.optimize.coordinates import UNITS
from keras_style.optimize.coordinates_graph import CoordinatesGraph
from keras_style.optimize.gradient import LossesAndGradient
from keras_style.optimize.lbfgs import FIRST_MOVE, HISTORY, ONE_DRAW, on_grid
from keras_style.optimize.line_search_graph import Point, search

_EPSILON = float(np.finfo(np.float64).eps)


class _State(NamedTuple):
    """Where an optimization stands; coordinates in a row, everything in float64.

    Attributes:
        point: (n,) coordinates, with the value and the gradient (n,) there.
        pairs: (2 HISTORY, n): changes of the gradient, then the steps that they belong to; `count` of each, old to
            new, at the end, after zeros.
        count: how many pairs there are.
        iterations, evaluations: how many steps and gradients were taken.
        done: whether it ends here.
    """

    point: Point
    pairs: tf.Tensor
    count: tf.Tensor
    iterations: tf.Tensor
    evaluations: tf.Tensor
    done: tf.Tensor


def lbfgs_graph(
    evaluate: LossesAndGradient, image: tf.Tensor, steps: tf.Tensor, units: np.ndarray = UNITS
) -> tf.Tensor:
    """Minimize within [0, 1] by at most `steps` iterations of L-BFGS, to be called inside a `tf.function`.

    The iterations are those of `lbfgs`, over the same coordinates: SciPy's direction, line search and reasons to stop.
    So the two differ by the last bits of a double. `on_grid` hides that from the objective, often to the end; where a
    pixel is rounded the other way, the paths part as those of SciPy do from two contents which differ by that.

    Args:
        evaluate: what `losses_and_gradient` made.
        image: (B, H, W, 3), where to start, of any size.
        steps: scalar, how many iterations.
        units: of the coordinates.

    Returns:
        The last image, of the shape and dtype of `image`.

    Reference: Byrd, Nocedal & Schnabel, "Representations of Quasi-Newton Matrices and Their Use in Limited Memory
        Methods", Mathematical Programming 63, 1994.
    """
    dtype = image.dtype
    steps = tf.cast(steps, tf.int32)
    coordinates = CoordinatesGraph(tf.shape(image), FIRST_MOVE, units)

    def unscaled(at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels, slopes = coordinates.pixels(at)
        values, gradient = evaluate(on_grid(pixels, dtype), ONE_DRAW)
        total = tf.add_n([tf.cast(value, tf.float64) for value in values.values()])
        return total, coordinates.gradient(gradient, slopes)

    at = coordinates.of(image)
    value, gradient = unscaled(at)
    length = tf.norm(gradient)
    scale = 1 / tf.where(length == 0, tf.ones_like(length), length)

    def objective(at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        value, gradient = unscaled(at)
        return scale * value, scale * gradient

    zero = tf.zeros([], tf.float64)
    start = _State(
        point=Point(zero, at, scale * value, scale * gradient, zero),
        pairs=tf.zeros([2 * HISTORY, tf.size(at)], tf.float64),
        count=tf.constant(0),
        iterations=tf.constant(0),
        evaluations=tf.constant(1),
        done=_stationary(gradient),
    )

    def iteration(state: _State) -> tuple[_State]:
        point = state.point
        direction = _direction(point.gradient, state.pairs, state.count)
        point = point._replace(step=zero, slope=_dot(point.gradient, direction))
        first = tf.where(state.iterations == 0, 1 / tf.norm(direction), tf.ones_like(zero))
        found = search(objective, point, direction, first)
        state = state._replace(evaluations=state.evaluations + found.trials)
        return (
            tf.cond(
                found.accepted,
                lambda: _moved(state, point, found.point, direction, steps),
                # Nothing along this direction: once more along the gradient, unless this was it.
                lambda: state._replace(
                    pairs=tf.zeros_like(state.pairs), count=tf.zeros_like(state.count), done=state.count == 0
                ),
            ),
        )

    shapes = tf.nest.map_structure(lambda tensor: tensor.shape, start)
    vector = tf.TensorShape([None])
    shapes = shapes._replace(
        point=shapes.point._replace(at=vector, gradient=vector), pairs=tf.TensorShape([2 * HISTORY, None])
    )
    end = tf.while_loop(
        lambda state: ~state.done, iteration, (start,), shape_invariants=(shapes,), parallel_iterations=1
    )[0]
    return tf.ensure_shape(on_grid(coordinates.pixels(end.point.at)[0], dtype), image.shape)


def _moved(state: _State, before: Point, after: Point, direction: tf.Tensor, steps: tf.Tensor) -> _State:
    """The state after a step, with its pair in the history unless it shows no curvature."""
    change = after.gradient - before.gradient
    curvature = (after.slope - before.slope) * after.step
    iterations = state.iterations + 1
    state = state._replace(
        point=after,
        iterations=iterations,
        done=(iterations >= steps)
        | (state.evaluations > 2 * steps)
        | (after.value >= before.value)
        | _stationary(after.gradient),
    )

    def remembered() -> _State:
        changes, moves = tf.split(state.pairs, 2)
        pairs = [changes[1:], change[None], moves[1:], after.step * direction[None]]
        return state._replace(
            pairs=tf.concat(pairs, axis=0),
            count=tf.minimum(state.count + 1, HISTORY),
        )

    return tf.cond(curvature <= -_EPSILON * before.slope * after.step, lambda: state, remembered)


def _stationary(gradient: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(gradient == 0)


def _direction(gradient: tf.Tensor, pairs: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """-H g, with the inverse Hessian H that the pairs make of the identity times the newest pair's curvature.

    With the changes Y and the steps S in columns, R the upper triangle of S'Y and D its diagonal, the paper's 3.1 is
    H = gamma I + S R'^-1 (D + gamma Y'Y) R^-1 S' - gamma S R'^-1 Y' - gamma Y R^-1 S'.
    """
    of_changes, of_both = tf.split(tf.matmul(pairs, pairs[:HISTORY], transpose_b=True), 2)
    there = tf.range(HISTORY) >= HISTORY - count
    curvatures = tf.linalg.diag_part(of_both)
    one = tf.ones_like(curvatures)
    gamma = tf.where(count > 0, curvatures[-1] / tf.where(count > 0, of_changes[-1, -1], one[0]), one[0])
    upper = tf.linalg.set_diag(tf.linalg.band_part(of_both, 0, -1), tf.where(there, curvatures, one))
    along = tf.linalg.matvec(pairs, gradient)[:, None]
    along_changes, along_moves = tf.split(along, 2)
    solved = tf.linalg.triangular_solve(upper, along_moves, lower=False)
    middle = tf.matmul(tf.linalg.diag(curvatures) + gamma * of_changes, solved) - gamma * along_changes
    weights = tf.concat([-gamma * solved, tf.linalg.triangular_solve(upper, middle, lower=False, adjoint=True)], axis=0)
    return -gamma * gradient - tf.linalg.matvec(pairs, weights[:, 0], transpose_a=True)


def _dot(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(one * other)
