"""The line search of More and Thuente, eager or inside a graph."""

from collections.abc import Callable
from typing import NamedTuple

from keras_style.internal.tensorflow import tf

# As in L-BFGS-B 3.0: sufficient decrease, curvature, relative width of the bracket, evaluations at most, longest step.
_DECREASE, _CURVATURE, _WIDTH, _TRIALS, _LONGEST = 1e-3, 0.9, 0.1, 20, 1e10

Function = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class Point(NamedTuple):
    """A point (n,) with the value and the gradient (n,) there; float64."""

    at: tf.Tensor
    value: tf.Tensor
    gradient: tf.Tensor


class End(NamedTuple):
    """A step along the direction with the value and the slope there; scalars in float64."""

    step: tf.Tensor
    value: tf.Tensor
    slope: tf.Tensor


class Search(NamedTuple):
    """The state of a search; scalars.

    Attributes:
        newest: the last step tried.
        low: the best step so far.
        high: the other end of the interval that has a minimum, once it is `bracketed`.
        plain: whether steps are predicted from the function itself, no longer from what exceeds sufficient decrease.
        least, most: between which the next step may lie.
        width, width_before: of the interval, and of that before.
        trials: how many steps were tried.
        accepted: whether the search may end at `newest`.
        step: to be tried next.
    """

    newest: End
    low: End
    high: End
    bracketed: tf.Tensor
    plain: tf.Tensor
    least: tf.Tensor
    most: tf.Tensor
    width: tf.Tensor
    width_before: tf.Tensor
    trials: tf.Tensor
    accepted: tf.Tensor
    step: tf.Tensor


def search(
    function: Function, start: Point, direction: tf.Tensor, slope: tf.Tensor, first: tf.Tensor
) -> tuple[Search, Point]:
    """Find a step that decreases the function enough and after which its slope is much less steep.

    Args:
        function: value and gradient (n,) of points (n,).
        start: where to start, at step 0.
        direction: (n,).
        slope: of the function along the direction at the start; unless it is below 0, nothing is tried.
        first: the step that is tried first.

    Returns:
        The state at the end, and the point that was tried last.

    Reference: More & Thuente, "Line Search Algorithms with Guaranteed Sufficient Decrease", ACM TOMS 20, 1994.
    """
    longest, none = tf.constant(_LONGEST, tf.float64), tf.zeros([], tf.float64)
    origin = End(none, start.value, slope)
    begin = Search(
        newest=origin,
        low=origin,
        high=origin,
        bracketed=tf.constant(False),
        plain=tf.constant(False),
        least=none,
        most=5 * first,
        width=longest,
        width_before=2 * longest,
        trials=tf.constant(0),
        accepted=tf.constant(False),
        step=first,
    )

    def going(state: Search, _: Point) -> tf.Tensor:
        return (slope < 0) & ~state.accepted & (state.trials < _TRIALS)

    def trial(state: Search, _: Point) -> tuple[Search, Point]:
        at = start.at + state.step * direction
        point = Point(at, *function(at))
        newest = End(state.step, point.value, dot(point.gradient, direction))
        return _judged(state._replace(newest=newest, trials=state.trials + 1), origin), point

    vector, scalar = tf.TensorShape([None]), tf.TensorShape([])
    shapes = (tf.nest.map_structure(lambda _: scalar, begin), Point(vector, scalar, vector))
    found: tuple[Search, Point] = tf.while_loop(
        going, trial, (begin, start), shape_invariants=shapes, parallel_iterations=1
    )
    return found


def dot(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """The inner product of two vectors."""
    return tf.tensordot(one, other, 1)


@tf.function(autograph=False)  # a hundred operations on scalars, which take six times as long one by one
def _judged(state: Search, origin: End) -> Search:
    """The search after its newest step: ended there, or with a smaller interval and another step to try."""
    point = state.newest
    steepness = _DECREASE * origin.slope
    enough = point.value <= origin.value + point.step * steepness
    plain = state.plain | (enough & (point.slope >= 0))
    narrow = state.most - state.least <= _WIDTH * state.most
    outside = (point.step <= state.least) | (point.step >= state.most)
    accepted = (
        (enough & (tf.abs(point.slope) <= -_CURVATURE * origin.slope))
        | (state.bracketed & (outside | narrow))
        | ((point.step == _LONGEST) & enough & (point.slope <= steepness))
        | ((point.step == 0) & (~enough | (point.slope >= steepness)))
    )

    # As long as the decrease is not sufficient, what exceeds it is what is modelled.
    tilt = tf.where(~plain & (point.value <= state.low.value) & ~enough, steepness, tf.zeros_like(steepness))
    low, high, newest = (_tilted(end, -tilt) for end in (state.low, state.high, point))
    low, high, step, bracketed = _predicted(low, high, newest, state.bracketed, state.least, state.most)
    low, high = _tilted(low, tilt), _tilted(high, tilt)

    apart = tf.abs(high.step - low.step)
    slow = bracketed & (apart >= 0.66 * state.width_before)
    step = tf.where(slow, (low.step + high.step) / 2, step)
    least = tf.where(bracketed, tf.minimum(low.step, high.step), step + 1.1 * (step - low.step))
    most = tf.where(bracketed, tf.maximum(low.step, high.step), step + 4 * (step - low.step))
    step = tf.clip_by_value(step, tf.zeros_like(step), _LONGEST)
    stuck = (step <= least) | (step >= most) | (most - least <= _WIDTH * most)
    return state._replace(
        low=low,
        high=high,
        bracketed=bracketed,
        plain=plain,
        least=least,
        most=most,
        width=tf.where(bracketed, apart, state.width),
        width_before=tf.where(bracketed, state.width, state.width_before),
        accepted=accepted,
        step=tf.where(bracketed & stuck, low.step, step),
    )


def _tilted(end: End, slope: tf.Tensor) -> End:
    """The end of an interval for the function plus `slope` times the step."""
    return End(end.step, end.value + end.step * slope, end.slope + slope)


def _predicted(
    low: End, high: End, point: End, bracketed: tf.Tensor, least: tf.Tensor, most: tf.Tensor
) -> tuple[End, End, tf.Tensor, tf.Tensor]:
    """The interval with the newest point as one of its ends, the step where its minimum should be, and `bracketed`.

    The four cases of the paper's section 4, all computed; a step that is not a number belongs to a case that is not.
    """
    higher = point.value > low.value
    turned = ~higher & (tf.sign(point.slope) * tf.sign(low.slope) < 0)
    flatter = ~higher & ~turned & (tf.abs(point.slope) < tf.abs(low.slope))
    farthest = tf.where(point.step > low.step, most, least)

    from_low, *_ = _cubic(low, point)
    halfway = (low.value - point.value) / (point.step - low.step) + low.slope
    parabola = low.step + low.slope / halfway / 2 * (point.step - low.step)
    nearer = tf.abs(from_low - low.step) < tf.abs(parabola - low.step)
    step_higher = tf.where(nearer, from_low, from_low + (parabola - from_low) / 2)

    from_point, at, bend = _cubic(point, low)
    secant = point.step + point.slope / (point.slope - low.slope) * (low.step - point.step)
    step_turned = tf.where(tf.abs(from_point - point.step) > tf.abs(secant - point.step), from_point, secant)

    cubic = tf.where((at < 0) & (bend != 0), from_point, farthest)
    closer = tf.abs(cubic - point.step) < tf.abs(secant - point.step)
    bound = point.step + 0.66 * (high.step - point.step)
    inside = tf.where(closer, cubic, secant)
    inside = tf.where(point.step > low.step, tf.minimum(bound, inside), tf.maximum(bound, inside))
    beyond = tf.where(tf.abs(cubic - point.step) > tf.abs(secant - point.step), cubic, secant)
    step_flatter = tf.where(bracketed, inside, tf.maximum(tf.minimum(beyond, most), least))

    to_high, *_ = _cubic(point, high)
    step_steeper = tf.where(bracketed, to_high, farthest)

    step = tf.where(higher, step_higher, tf.where(turned, step_turned, tf.where(flatter, step_flatter, step_steeper)))
    new_high = _either(higher, point, _either(turned, low, high))
    return _either(higher, low, point), new_high, step, bracketed | higher | turned


def _cubic(one: End, other: End) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Minimum of the cubic through two ends, as a step and as a fraction of the way between them; and its root."""
    theta = 3 * (one.value - other.value) / (other.step - one.step) + one.slope + other.slope
    size = tf.maximum(tf.abs(theta), tf.maximum(tf.abs(one.slope), tf.abs(other.slope)))
    root = size * tf.sqrt(tf.maximum((theta / size) ** 2 - (one.slope / size) * (other.slope / size), 0))
    root = tf.where(other.step < one.step, -root, root)
    at = ((root - one.slope) + theta) / (((root - one.slope) + root) + other.slope)
    return one.step + at * (other.step - one.step), at, root


def _either(condition: tf.Tensor, one: End, other: End) -> End:
    return End(*(tf.where(condition, left, right) for left, right in zip(one, other, strict=True)))
