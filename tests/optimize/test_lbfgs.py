"""L-BFGS takes SciPy's iterations, in Python and in a graph; its line search keeps the conditions of its paper."""

import numpy as np
import pytest
from oracles import lbfgs as oracle

from keras_style.internal.tensorflow import tf
from keras_style.losses import ContentLoss, GramLoss
from keras_style.optimize.coordinates import FLAT_UNITS, UNITS
from keras_style.optimize.gradient import losses_and_gradient
from keras_style.optimize.lbfgs import lbfgs, lbfgs_graph, on_grid
from keras_style.optimize.line_search import Point, search
from keras_style.optimize.objective import Objective, Term
from keras_style.optimize.targets import Targets

GRAIN = 2.1 / 2**16  # a pixel that was rounded the other way, and a little more
SIGNATURE = [tf.TensorSpec((1, None, None, 3), tf.float64), tf.TensorSpec([], tf.int32)]


class Counted:
    """`losses_and_gradient` of a function of images, which counts how often it is called."""

    def __init__(self, function, shape, dtype=np.float64):
        self.evaluate = losses_and_gradient(lambda images, step: {"value": function(images)}, shape, dtype)
        self.calls = 0

    def __call__(self, images, step):
        self.calls += 1
        return self.evaluate(images, step)

    def of_arrays(self, images):
        """Value and gradient, for the oracle."""
        values, gradient = self(tf.constant(images), 1)
        return float(values["value"]), gradient.numpy()


def minimizer(function):
    """`lbfgs_graph` of a function of images, in float64."""

    @tf.function(autograph=False, input_signature=SIGNATURE)
    def minimize(image, steps):
        losses = losses_and_gradient(lambda images, step: {"value": function(images)}, SIGNATURE[0].shape, tf.float64)
        return lbfgs_graph(losses, image, steps)

    return minimize


def iterates(losses, image, steps, units=UNITS):
    """The picture after each iteration."""
    pictures = []
    end = lbfgs(losses, image, steps, lambda iterate: pictures.append(iterate.image), units)
    np.testing.assert_array_equal(end, pictures[-1])
    return pictures


def rosenbrock(images):
    """A curved valley, for the line search, pulled towards both bounds."""
    x = 3 * images - 1
    pull = 300 * tf.cos(1.7 * tf.cast(tf.range(tf.shape(images)[1]), images.dtype))[:, None, None]
    valley = 100 * tf.square(x[:, 1:] - tf.square(x[:, :-1])) + tf.square(1.2 - x[:, 1:])
    return tf.reduce_sum(valley) + tf.reduce_sum(pull * x)


@pytest.mark.parametrize("units", [UNITS, FLAT_UNITS], ids=["measured", "flat"])
def test_iterations_are_those_of_scipy(units):
    image = np.random.default_rng(0).random((1, 12, 13, 3))
    image[0, :3], image[0, 5] = 0, 1
    mine, its = (Counted(rosenbrock, image.shape) for _ in range(2))
    expected, evaluations = oracle.minimize(its.of_arrays, image, 40, units)
    assert len(expected) > 20  # until the grid shows no further descent
    pictures = iterates(mine, image, 40, units)
    assert len(pictures) == len(expected)
    np.testing.assert_allclose(pictures, expected, atol=GRAIN)
    assert mine.calls == its.calls == evaluations
    assert 0.1 < np.mean(abs(expected[-1] - 0.5) > 0.499) < 0.9  # both ends and free pixels were met


def test_over_plain_pixels_they_are_scipys_and_leave_the_bounds():
    image = np.random.default_rng(0).random((1, 12, 13, 3))
    image[0, :3], image[0, 5] = 0, 1
    mine, its = (Counted(rosenbrock, image.shape) for _ in range(2))
    expected, evaluations = oracle.minimize(its.of_arrays, image, 40, None)
    pictures = iterates(mine, image, 40, None)
    assert len(pictures) == len(expected) > 20 and mine.calls == evaluations
    np.testing.assert_allclose(pictures[:20], expected[:20], atol=GRAIN)
    assert expected[-1].min() < -0.05


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_where_no_step_descends_it_gives_up_as_scipy_does(dtype):
    """After a line search that failed, and another along the gradient."""
    image = np.random.default_rng(0).random((1, 12, 13, 3)).astype(dtype)
    mine, its = (Counted(lambda x: tf.reduce_sum(tf.square(x - 0.4)), image.shape, dtype) for _ in range(2))
    expected, evaluations = oracle.minimize(its.of_arrays, image, 60, UNITS)
    pictures = iterates(mine, image, 60)
    assert 20 < len(pictures) == len(expected) < 60
    np.testing.assert_allclose(pictures, expected, atol=GRAIN)
    assert mine.calls > len(pictures) + 20
    assert mine.calls - evaluations in (0, 1)  # SciPy does not count a point that it met just before


@pytest.mark.integration
def test_the_graph_takes_the_same_iterations():
    minimize = minimizer(rosenbrock)
    image = np.random.default_rng(0).random((1, 12, 13, 3))
    image[0, :3], image[0, 5] = 0, 1
    expected = iterates(Counted(rosenbrock, image.shape), image, 40)
    for steps in (1, 2, 3, 7, 15, len(expected), 40):
        np.testing.assert_allclose(minimize(image, steps), expected[min(steps, len(expected)) - 1], atol=GRAIN)


def test_a_real_objective_descends_as_by_scipy(backbone, photograph, painting):
    terms = [
        Term(ContentLoss(), "block2_conv2", 1.0, "content", relative=True),
        Term(GramLoss(), "block1_conv2", 3.0, "style", relative=True),
        Term(GramLoss(), "block2_conv2", 3.0, "style", relative=True),
    ]
    content, style, noise = (
        image[None].astype(np.float64)
        for image in (photograph, painting, np.random.default_rng(0).random(photograph.shape))
    )
    losses = Objective(terms).bind(backbone, Targets(content, [style]))

    def function(images):
        return tf.add_n(list(losses(images, 1).values()))

    mine, its = (Counted(function, noise.shape) for _ in range(2))
    expected, evaluations = oracle.minimize(its.of_arrays, noise, 8, UNITS)
    pictures = iterates(mine, noise, 8)
    assert mine.calls == evaluations and len(pictures) == 8
    # Should one pixel round the other way, as on another processor it may, eight iterations make 0.005 of it.
    np.testing.assert_allclose(pictures[:3], expected[:3], atol=2 * GRAIN)
    np.testing.assert_allclose(pictures, expected, atol=0.02)
    reached = [its.of_arrays(each)[0] for each in (noise, pictures[-1], expected[-1])]
    assert reached[1] < 0.3 * reached[0] and reached[1] == pytest.approx(reached[2], rel=1e-3)


@pytest.mark.integration
def test_a_run_goes_on_from_every_step_in_the_same_bits():
    image = np.random.default_rng(0).random((1, 12, 13, 3)).astype(np.float32)
    losses = Counted(rosenbrock, image.shape, np.float32)
    states, values = [], []

    def keep(iterate):
        states.append(iterate.read_state())
        values.append(iterate.loss)

    end = lbfgs(losses, image, 25, keep)
    for number, state in enumerate(states, start=1):
        later = []
        resumed = lbfgs(
            losses, np.zeros_like(image), 25, lambda each, to=later: to.append(each.loss), resume=(number, state)
        )
        np.testing.assert_array_equal(resumed, end)
        assert later == values[number:]


@pytest.mark.integration
@pytest.mark.parametrize("size", [1.0, *(pytest.param(each, marks=pytest.mark.integration) for each in (1e-9, 1e9))])
def test_a_large_picture_is_left_at_the_first_step(size):
    """Each of many pixels has a small part in the loss, whatever its size: still the first trial moves them."""
    image = np.random.default_rng(3).random((1, 400, 500, 3))

    def function(images):
        return size * tf.reduce_mean(tf.square(images - 0.5))

    values = []
    end = lbfgs(Counted(function, image.shape), image, 8, lambda iterate: values.append(iterate.losses["value"]))
    assert values[0] < 0.95 * function(image) and values[7] < 0.01 * function(image)
    np.testing.assert_allclose(minimizer(function)(image, 8), end, atol=GRAIN)


def test_where_nothing_descends_nothing_moves():
    image = on_grid(np.random.default_rng(4).uniform(0.01, 0.99, (1, 4, 5, 3)), tf.float64).numpy()
    np.testing.assert_array_equal(minimizer(lambda images: 0 * tf.reduce_sum(images))(image, 5), image)


def test_pixels_come_to_the_end_that_they_are_drawn_to():
    end = minimizer(lambda images: tf.reduce_sum(images[..., :2]) - tf.reduce_sum(images[..., 2]))(
        np.full((1, 4, 4, 3), 0.5), 50
    )
    np.testing.assert_allclose(end, np.broadcast_to([0, 0, 1], end.shape), atol=1e-3)


@pytest.mark.parametrize(
    "function",
    [
        lambda t: -t / (t**2 + 0.02),  # 5.1 of the paper, whose minimum is far; steep beyond it; noisy; near
        lambda t: t**4 - 2 * t,
        lambda t: 1 - t + 0.01 * tf.sin(40 * t) + t**2,
        lambda t: tf.square(t - 0.003),
    ],
)
def test_the_line_search_ends_where_the_wolfe_conditions_hold(function):
    def along(pixels):
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            value = function(pixels[0])
        return value, tape.gradient(value, pixels)

    def run():
        value, gradient = along(tf.zeros([1], tf.float64))
        begin = Point(tf.zeros([1], tf.float64), value, gradient)
        first = tf.constant(0.1, tf.float64)
        found, point = search(along, begin, tf.ones([1], tf.float64), gradient[0], first)
        return begin, found, point

    for begin, found, point in (run(), tf.function(run, autograph=False)()):
        assert found.accepted and found.newest.step > 0
        assert point.at[0] == found.newest.step and point.value == found.newest.value
        assert point.value <= begin.value + 1e-3 * found.newest.step * begin.gradient[0]
        assert abs(point.gradient[0]) <= -0.9 * begin.gradient[0]
