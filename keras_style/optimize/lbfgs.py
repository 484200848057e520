"""L-BFGS on a picture: one iteration, taken step by step from Python or inside a graph's loop."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_style.errors import DivergenceError
from keras_style.images import GRID
from keras_style.internal.tensorflow import tf
from keras_style.optimize.coordinates import UNITS, Coordinates, Pixels, Units
from keras_style.optimize.gradient import LossesAndGradient
from keras_style.optimize.iterate import Iterate, OnIterate
from keras_style.optimize.line_search import Point, dot, search

HISTORY = 10  # pairs of vectors; each pair costs 16 bytes per pixel and channel

# Root mean square of the pixels' first step, ours. A vector of length one, which is what L-BFGS-B tries first, would
# give each of many pixels less than the grid.
FIRST_MOVE = 0.02

ONE_DRAW = tf.constant(1, tf.int64)  # a line search compares values: random losses must not change under it

_EPSILON = float(np.finfo(np.float64).eps)
_VECTOR = tf.TensorSpec([None], tf.float64)
_VECTORS = (_VECTOR,) * HISTORY
_SQUARES = (2, HISTORY - 1, HISTORY - 1)


class _State(NamedTuple):
    """State of an optimization: all that its next iterations depend on. Vectors are float64.

    Attributes:
        point: coordinates (n,), with the scaled value and gradient there.
        scale: factor of the objective.
        moves: `HISTORY` steps (n,), old to new, the older ones 0 until there are as many.
        changes: changes of the gradient along these.
        products: (2, HISTORY - 1, HISTORY - 1): of moves by changes, whose upper triangle counts, and of changes by
            changes; without the newest of either.
        count: number of pairs so far.
        iterations, evaluations: numbers of steps and gradients taken.
        done: whether it ends here.
    """

    point: Point
    scale: tf.Tensor
    moves: tuple[tf.Tensor, ...]
    changes: tuple[tf.Tensor, ...]
    products: tf.Tensor
    count: tf.Tensor
    iterations: tf.Tensor
    evaluations: tf.Tensor
    done: tf.Tensor


def _structure(vector: object, square: object, scalar: object) -> _State:
    """A state whose vectors, squares and scalars are these values."""
    pairs = (vector,) * HISTORY
    return _State(Point(vector, scalar, vector), scalar, pairs, pairs, square, *[scalar] * 4)


class _Problem:
    """The objective over `Coordinates`.

    A line search multiplies the last bits of its doubles: a float32 that is rounded the other way in one pixel grows
    into another picture within some 30 iterations. What is evaluated, and shown, are therefore pixels on a coarser
    grid, 1/257 of an 8-bit level: a run in Python and one in a graph, whose cosine transforms round differently, stay
    one picture to the eye. The loss reached after 400 steps is the same.
    """

    def __init__(self, evaluate: LossesAndGradient, shape: tf.Tensor | Sequence[int], dtype: tf.DType, units: Units):
        self.evaluate = evaluate
        self.coordinates = Pixels(shape, FIRST_MOVE) if units is None else Coordinates(shape, FIRST_MOVE, units)
        self.dtype = dtype

    def __call__(self, at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels, slopes = self.coordinates.pixels(at)
        values, gradient = self.evaluate(on_grid(pixels, self.dtype), ONE_DRAW)
        total = tf.add_n([tf.cast(value, tf.float64) for value in values.values()])
        return total, self.coordinates.gradient(gradient, slopes)

    def picture(self, state: _State) -> tf.Tensor:
        return on_grid(self.coordinates.pixels(state.point.at)[0], self.dtype)


def on_grid(pixels: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Pixels as the objective sees them and pictures show them: multiples of 1 / `GRID`."""
    return tf.cast(tf.round(tf.cast(pixels, tf.float64) * GRID) / GRID, dtype)


def lbfgs(
    evaluate: LossesAndGradient,
    image: np.ndarray,
    steps: int,
    on_iterate: OnIterate,
    units: Units = UNITS,
    resume: tuple[int, Sequence[np.ndarray]] | None = None,
) -> np.ndarray:
    """Minimize by at most `steps` iterations of L-BFGS, most of which cost one gradient.

    Pixels stay within [0, 1], unless they are themselves the coordinates. The iterations are those of L-BFGS-B 3.0
    without bounds: its direction, line search and reasons to stop. They run over the coordinates, in float64, on the
    processor; `evaluate` runs where TensorFlow places it. The objective is scaled to a first gradient of length one. It
    ends before `steps` only if no further descent is found (float32 has a floor) or twice as many gradients were taken.

    Args:
        evaluate: the losses of images (B, H, W, 3) and step, and their gradient; called eagerly.
        image: (B, H, W, 3), where to start.
        steps: number of iterations.
        on_iterate: called after each iteration; returns True to stop.
        units: of the coordinates; None: plain pixels.
        resume: steps already done and the state after them (`Iterate.read_state`); `image` then only gives its shape
            and dtype.

    Returns:
        The last image.

    Raises:
        DivergenceError: the loss is not finite.

    Reference: Byrd, Nocedal & Schnabel, "Representations of Quasi-Newton Matrices and Their Use in Limited Memory
        Methods", Mathematical Programming 63, 1994; Morales & Nocedal, "Remark on Algorithm 778: L-BFGS-B", ACM TOMS
        38, 2011.
    """
    number, saved = resume or (0, ())
    latest: dict[str, float] = {}

    def checked(images: tf.Tensor, step: int | tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        nonlocal latest
        with tf.device(None):
            values, gradient = evaluate(images, step)
        latest = {name: float(value) for name, value in values.items()}
        if not np.isfinite(sum(latest.values())):
            raise DivergenceError(f"the loss is not finite after {number} iterations of L-BFGS: {latest}")
        return values, gradient

    with tf.device("CPU:0"):
        problem = _Problem(checked, image.shape, tf.as_dtype(image.dtype), units)
        if resume:
            state = tf.nest.pack_sequence_as(_structure(0, 0, 0), [tf.convert_to_tensor(array) for array in saved])
        else:
            state = _start(problem, tf.convert_to_tensor(image))
        while not state.done:
            state = _iteration(problem, state, tf.constant(steps))
            if state.iterations > number:
                number += 1
                with tf.device(None):
                    stop = on_iterate(_iterate(problem, state, number, steps, latest)) is True
                if stop:
                    break
        end: np.ndarray = problem.picture(state).numpy()
    return end


def _iterate(problem: _Problem, state: _State, number: int, steps: int, losses: dict[str, float]) -> Iterate:
    return Iterate(
        number,
        steps,
        losses,
        lambda: problem.picture(state).numpy(),
        lambda: [np.asarray(tensor) for tensor in tf.nest.flatten(state)],  # views: the vectors are large
    )


def lbfgs_graph(evaluate: LossesAndGradient, image: tf.Tensor, steps: tf.Tensor, units: Units = UNITS) -> tf.Tensor:
    """`lbfgs` as one loop, to be called inside a `tf.function`.

    Args:
        evaluate: what `losses_and_gradient` made.
        image: (B, H, W, 3), where to start, of any size.
        steps: scalar, number of iterations.
        units: of the coordinates; None: plain pixels.

    Returns:
        The last image, of the shape and dtype of `image`.
    """
    problem = _Problem(evaluate, tf.shape(image), image.dtype, units)
    steps = tf.cast(steps, tf.int32)
    end = tf.while_loop(
        lambda state: ~state.done,
        lambda state: (_iteration(problem, state, steps),),
        (_start(problem, image),),
        shape_invariants=(_structure(tf.TensorShape([None]), tf.TensorShape(_SQUARES), tf.TensorShape([])),),
        parallel_iterations=1,
    )[0]
    return tf.ensure_shape(problem.picture(end), image.shape)


def _start(problem: _Problem, image: tf.Tensor) -> _State:
    at = problem.coordinates.of(image)
    value, gradient = problem(at)
    length = tf.norm(gradient)
    scale = 1 / tf.where(length == 0, tf.ones_like(length), length)
    none = (tf.zeros_like(at),) * HISTORY  # one vector
    return _State(
        point=Point(at, scale * value, scale * gradient),
        scale=scale,
        moves=none,
        changes=none,
        products=tf.zeros(_SQUARES, tf.float64),
        count=tf.constant(0),
        iterations=tf.constant(0),
        evaluations=tf.constant(1),
        done=_stationary(gradient),
    )


def _iteration(problem: _Problem, state: _State, steps: tf.Tensor) -> _State:
    """The state after one step, or, where the line search fails, without history; done if that was tried."""

    def scaled(at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        value, gradient = problem(at)
        return state.scale * value, state.scale * gradient

    direction, products = _direction(state.point.gradient, state.moves, state.changes, state.products, state.count)
    slope = dot(state.point.gradient, direction)
    first = tf.where(state.iterations == 0, 1 / tf.norm(direction), tf.ones_like(slope))
    found, point = search(scaled, state.point, direction, slope, first)
    state = state._replace(evaluations=state.evaluations + found.trials)

    def moved() -> _State:
        change = point.gradient - state.point.gradient
        curvature = (found.newest.slope - slope) * found.newest.step
        shown = curvature > -_EPSILON * slope * found.newest.step
        after = tf.cond(
            shown,
            lambda: state._replace(
                moves=(*state.moves[1:], found.newest.step * direction),
                changes=(*state.changes[1:], change),
                products=products[:, 1:, 1:],
                count=tf.minimum(state.count + 1, HISTORY),
            ),
            lambda: state,
        )
        iterations = state.iterations + 1
        return after._replace(
            point=point,
            iterations=iterations,
            done=(iterations >= steps)
            | (state.evaluations > 2 * steps)
            | (point.value >= state.point.value)
            | _stationary(point.gradient),
        )

    def forgotten() -> _State:
        none = (tf.zeros_like(direction),) * HISTORY
        return state._replace(
            moves=none,
            changes=none,
            products=tf.zeros_like(state.products),
            count=tf.zeros_like(state.count),
            done=state.count == 0,
        )

    return tf.cond(found.accepted, moved, forgotten)


def _stationary(gradient: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(gradient == 0)


# A function for one trace; its operations on small tensors would take longer one by one.
@tf.function(
    autograph=False,
    input_signature=[_VECTOR, _VECTORS, _VECTORS, tf.TensorSpec(_SQUARES, tf.float64), tf.TensorSpec([], tf.int32)],
)
def _direction(
    gradient: tf.Tensor,
    moves: Sequence[tf.Tensor],
    changes: Sequence[tf.Tensor],
    products: tf.Tensor,
    count: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """-H g, with the inverse Hessian H of the pairs.

    H is what the pairs make of gamma, the newest pair's inverse curvature, times the identity. With the changes Y and
    the steps S in columns, R the upper triangle of S'Y and D its diagonal, the paper's 3.1 is
    H = gamma I + S R'^-1 (D + gamma Y'Y) R^-1 S' - gamma S R'^-1 Y' - gamma Y R^-1 S'.

    Args:
        gradient, moves, changes, products, count: of the state.

    Returns:
        The direction (n,), and the products of all pairs (2, HISTORY, HISTORY).
    """
    newest = tf.stack([changes[-1], gradient])
    along = tf.stack([[tf.linalg.matvec(newest, each) for each in side] for side in (moves, changes)])
    of_newest, of_gradient = along[..., :1], along[..., 1:]
    products = tf.concat([products, of_newest[:, :-1]], axis=2)
    products = tf.concat([products, tf.transpose(of_newest, [0, 2, 1])], axis=1)

    of_both, of_changes = tf.unstack(products)
    curvatures = tf.linalg.diag_part(of_both)
    one = tf.ones_like(curvatures)
    there = tf.range(HISTORY) >= HISTORY - count
    gamma = tf.where(count > 0, curvatures[-1] / tf.where(count > 0, of_changes[-1, -1], one[0]), one[0])
    upper = tf.linalg.set_diag(tf.linalg.band_part(of_both, 0, -1), tf.where(there, curvatures, one))
    solved = tf.linalg.triangular_solve(upper, of_gradient[0], lower=False)
    middle = tf.matmul(tf.linalg.diag(curvatures) + gamma * of_changes, solved) - gamma * of_gradient[1]
    on_moves = -tf.linalg.triangular_solve(upper, middle, lower=False, adjoint=True)
    weights = tf.unstack(tf.concat([on_moves, gamma * solved], axis=0)[:, 0])

    direction = -gamma * gradient
    for weight, vector in zip(weights, (*moves, *changes), strict=True):
        with tf.control_dependencies([direction]):  # one summand at a time is kept, not all twenty
            direction += weight * vector
    return direction, products
