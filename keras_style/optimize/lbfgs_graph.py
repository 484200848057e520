"""L-BFGS-B on pixels inside a graph: the iterations that SciPy takes, without Python."""

from typing import NamedTuple

import numpy as np

from keras_style.optimize.gradient import LossesAndGradient
from keras_style.optimize.lbfgs import FIRST_MOVE, HISTORY, ONE_DRAW, on_grid
from keras_style.optimize.line_search_graph import Point, search
from keras_style.runtime import tf

_EPSILON = float(np.finfo(np.float64).eps)
_LONGEST = 1e10  # step of a line search, as in L-BFGS-B 3.0
_BREAKPOINTS = 1024  # ours: how many are sorted before more are; few searches need more


class _State(NamedTuple):
    """Where an optimization stands; pixels in a row, everything in float64.

    Attributes:
        point: (n,) pixels, with the value and the gradient (n,) there.
        pairs: (2 HISTORY, n): changes of the gradient, then the steps that they belong to; `count` of each, old to
            new, at the end, after zeros.
        theta: curvature of the model before the pairs correct it.
        iterations, evaluations: how many steps and gradients were taken.
        done: whether it ends here.
    """

    point: Point
    pairs: tf.Tensor
    count: tf.Tensor
    theta: tf.Tensor
    iterations: tf.Tensor
    evaluations: tf.Tensor
    done: tf.Tensor


def lbfgs_graph(evaluate: LossesAndGradient, image: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
    """Minimize within [0, 1] by at most `steps` iterations of L-BFGS-B, to be called inside a `tf.function`.

    The iterations are SciPy's: the Cauchy point, the minimum over the pixels that are free there, the line search,
    and the reasons to stop. What L-BFGS-B does pixel by pixel is done for all at once: breakpoints are sorted, and the
    model along the path is a running sum over them. So the two differ by the last bits of a double. `on_grid` hides
    that from the objective, often to the end; where a pixel is rounded the other way, the paths part as those of SciPy
    do from two contents which differ by that.

    Args:
        evaluate: what `losses_and_gradient` made.
        image: (B, H, W, 3), where to start, of any size.
        steps: scalar, how many iterations.

    Returns:
        The last image, of the shape and dtype of `image`.

    Reference: Byrd, Lu, Nocedal & Zhu, "A Limited Memory Algorithm for Bound Constrained Optimization", SIAM J. Sci.
        Comput. 16, 1995; Morales & Nocedal, "Remark on Algorithm 778", ACM TOMS 38, 2011.
    """
    shape, dtype = tf.shape(image), image.dtype
    steps = tf.cast(steps, tf.int32)

    def unscaled(pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        values, gradient = evaluate(on_grid(tf.reshape(pixels, shape), dtype), ONE_DRAW)
        total = tf.add_n([tf.cast(value, tf.float64) for value in values.values()])
        return total, tf.cast(tf.reshape(gradient, [-1]), tf.float64)

    pixels = tf.cast(tf.reshape(image, [-1]), tf.float64)
    value, gradient = unscaled(pixels)
    size = tf.sqrt(tf.reduce_mean(tf.square(gradient)))
    scale = FIRST_MOVE / tf.where(size == 0, tf.ones_like(size), size)

    def objective(pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        value, gradient = unscaled(pixels)
        return scale * value, scale * gradient

    zero = tf.zeros([], tf.float64)
    start = _State(
        point=Point(zero, pixels, scale * value, scale * gradient, zero),
        pairs=tf.zeros([2 * HISTORY, tf.size(pixels)], tf.float64),
        count=tf.constant(0),
        theta=tf.ones([], tf.float64),
        iterations=tf.constant(0),
        evaluations=tf.constant(1),
        done=_stationary(pixels, gradient),
    )

    def iteration(state: _State) -> tuple[_State]:
        point = state.point
        direction = _minimum_of_model(state) - point.pixels
        point = point._replace(step=zero, slope=_dot(point.gradient, direction))
        room = tf.where(direction < 0, point.pixels, 1 - point.pixels)
        farthest = tf.reduce_min(tf.where(direction == 0, tf.constant(_LONGEST, tf.float64), room / tf.abs(direction)))
        limit = tf.where(state.iterations == 0, tf.ones_like(farthest), tf.minimum(farthest, _LONGEST))
        found = search(objective, point, direction, limit)
        state = state._replace(evaluations=state.evaluations + found.trials)
        return (
            tf.cond(
                found.accepted,
                lambda: _moved(state, point, found.point, direction, steps),
                # Nothing along this direction: once more along the gradient, unless this was it.
                lambda: _forgotten(state)._replace(done=state.count == 0),
            ),
        )

    shapes = tf.nest.map_structure(lambda tensor: tensor.shape, start)
    vector = tf.TensorShape([None])
    shapes = shapes._replace(
        point=shapes.point._replace(pixels=vector, gradient=vector), pairs=tf.TensorShape([2 * HISTORY, None])
    )
    end = tf.while_loop(
        lambda state: ~state.done, iteration, (start,), shape_invariants=(shapes,), parallel_iterations=1
    )[0]
    return on_grid(tf.reshape(end.point.pixels, shape), dtype)


def _forgotten(state: _State) -> _State:
    """The state without its history."""
    return state._replace(
        pairs=tf.zeros_like(state.pairs), count=tf.zeros_like(state.count), theta=tf.ones_like(state.theta)
    )


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
        | _stationary(after.pixels, after.gradient),
    )

    def remembered() -> _State:
        changes, moves = tf.split(state.pairs, 2)
        pairs = [changes[1:], change[None], moves[1:], after.step * direction[None]]
        return state._replace(
            pairs=tf.concat(pairs, axis=0),
            count=tf.minimum(state.count + 1, HISTORY),
            theta=_dot(change, change) / curvature,
        )

    return tf.cond(curvature <= -_EPSILON * before.slope * after.step, lambda: state, remembered)


def _stationary(pixels: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """Whether no pixel can go against its gradient."""
    return tf.reduce_all(_pace(pixels, gradient) == 0)


def _pace(pixels: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """How fast each pixel goes against its gradient: 0 at a bound that is in its way."""
    blocked = ((pixels <= 0) & (gradient >= 0)) | ((pixels >= 1) & (gradient <= 0))
    return tf.where(blocked, tf.zeros_like(gradient), -gradient)


def _minimum_of_model(state: _State) -> tf.Tensor:
    """Where the quadratic model of the objective is least, nearly: pixels (n,) in [0, 1].

    The model's Hessian is theta I - W M W' with W = (changes, theta moves); below, `scale` makes W of the pairs.
    """
    pixels, gradient, pairs, theta = state.point.pixels, state.point.gradient, state.pairs, state.theta
    scale = tf.repeat(tf.stack([tf.ones_like(theta), theta]), HISTORY)
    inverse_middle = _inverse_middle(tf.matmul(pairs, pairs, transpose_b=True), theta, state.count)
    middle = tf.linalg.inv(inverse_middle)

    cauchy, free, along = _cauchy_point(pixels, gradient, pairs, scale, theta, middle)

    def over_free_pixels() -> tf.Tensor:
        inside = tf.cast(free, tf.float64)
        bent = tf.linalg.matvec(pairs, scale * tf.linalg.matvec(middle, along), transpose_a=True)
        downhill = inside * (bent - gradient - theta * (cauchy - pixels))
        gram = scale[:, None] * tf.matmul(pairs * inside, pairs, transpose_b=True) * scale
        projected = scale * tf.linalg.matvec(pairs, downhill)
        solved = tf.linalg.solve(inverse_middle - gram / theta, projected[:, None])[:, 0]
        correction = inside * tf.linalg.matvec(pairs, scale * solved, transpose_a=True)
        return _within(pixels, gradient, cauchy, (downhill + correction / theta) / theta)

    # Without a history the model is theta I, and the Cauchy point its minimum.
    return tf.cond(state.count > 0, over_free_pixels, lambda: tf.clip_by_value(cauchy, 0, 1))


def _inverse_middle(products: tf.Tensor, theta: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """M^-1 = (-D L'; L theta S'S), D and L the diagonal and what is below it of S'Y; of pairs not there, -1 and 1."""
    there = tf.range(HISTORY) >= HISTORY - count
    one = tf.ones([HISTORY], tf.float64)
    with_changes, with_moves = tf.split(products[HISTORY:], 2, axis=1)
    diagonal = tf.linalg.diag_part(with_changes)
    lower = tf.linalg.set_diag(tf.linalg.band_part(with_changes, -1, 0), 0 * one)
    return tf.concat(
        [
            tf.concat([-tf.linalg.diag(tf.where(there, diagonal, one)), tf.transpose(lower)], axis=1),
            tf.concat([lower, theta * with_moves + tf.linalg.diag(tf.where(there, 0 * one, one))], axis=1),
        ],
        axis=0,
    )


def _cauchy_point(
    pixels: tf.Tensor, gradient: tf.Tensor, pairs: tf.Tensor, scale: tf.Tensor, theta: tf.Tensor, middle: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The model's first minimum on the way against the gradient, each pixel stopping at its bound.

    Returns:
        It, which pixels are free there, and W' times the way there.
    """
    pace = _pace(pixels, gradient)
    room = tf.where(pace < 0, pixels, 1 - pixels)
    never = tf.constant(np.inf, tf.float64)
    until = tf.where(pace == 0, never, room / tf.abs(pace))
    number = tf.size(pixels)
    speed = _dot(pace, pace)
    through = scale * tf.linalg.matvec(pairs, pace)
    least_bend = _EPSILON * theta * speed

    def among(most: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The minimum, if it is before the last of so many breakpoints; between two of them the model is a parabola."""
        negative, which = tf.math.top_k(-until, most)
        stops = -negative
        paces = tf.gather(pace, which)
        begins = tf.pad(stops, [[1, 0]])
        lengths = tf.concat([stops, tf.where(most == number, never, stops[-1:])], axis=0) - begins
        speeds = speed - _running(tf.square(paces))
        throughs = through[:, None] - _running(scale[:, None] * tf.gather(pairs, which, axis=1) * paces)
        alongs = _running(lengths[:-1] * throughs[:, :-1])
        bent = tf.matmul(middle, throughs)
        slopes = -speeds + theta * begins * speeds - tf.reduce_sum(bent * alongs, axis=0)
        bends = tf.maximum(theta * speeds - tf.reduce_sum(bent * throughs, axis=0), least_bend)
        further = -slopes / bends
        here = further < lengths
        at = tf.argmax(tf.cast(here, tf.int32))
        rest = tf.maximum(further[at], 0)
        return tf.reduce_any(here), begins[at], begins[at] + rest, alongs[:, at] + rest * throughs[:, at]

    most = tf.minimum(number, _BREAKPOINTS)
    scalar = tf.TensorShape([])
    _, _, passed, end, along = tf.while_loop(
        lambda most, found, *_: ~found & (most < number),
        lambda most, *_: (tf.minimum(8 * most, number), *among(tf.minimum(8 * most, number))),
        (most, *among(most)),
        shape_invariants=(scalar, scalar, scalar, scalar, tf.TensorShape([2 * HISTORY])),
        parallel_iterations=1,
    )
    stopped = until <= passed
    bound = tf.cast(pace > 0, tf.float64)
    blocked = (pace == 0) & (gradient != 0)
    return tf.where(stopped, bound, pixels + end * pace), ~blocked & ~stopped, along


def _within(pixels: tf.Tensor, gradient: tf.Tensor, cauchy: tf.Tensor, newton: tf.Tensor) -> tf.Tensor:
    """The Newton step from the Cauchy point, projected; cut short instead where the projection leads uphill."""
    projected = tf.clip_by_value(cauchy + newton, 0, 1)
    room = tf.where(newton < 0, cauchy, 1 - cauchy)
    part = tf.reduce_min(tf.where(newton == 0, tf.ones_like(room), room / tf.abs(newton)))
    cut = tf.clip_by_value(cauchy + tf.minimum(part, 1) * newton, 0, 1)
    return tf.where(_dot(projected - pixels, gradient) > 0, cut, projected)


def _dot(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(left * right)


def _running(values: tf.Tensor) -> tf.Tensor:
    """Sums of the first 0, 1, ... values along the last axis."""
    return tf.pad(tf.cumsum(values, axis=-1), [[0, 0]] * (values.shape.rank - 1) + [[1, 0]])
