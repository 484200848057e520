"""L-BFGS as a graph takes SciPy's iterations, and its line search keeps the conditions of its paper."""

import numpy as np
import pytest

from keras_style.internal.tensorflow import tf
from keras_style.optimize.gradient import losses_and_gradient
from keras_style.optimize.lbfgs import lbfgs, on_grid
from keras_style.optimize.lbfgs_graph import lbfgs_graph
from keras_style.optimize.line_search_graph import Point, search

GRAIN = 2.1 / 2**16  # a pixel that was rounded the other way, and a little more
SIGNATURE = [tf.TensorSpec((1, None, None, 3), tf.float64), tf.TensorSpec([], tf.int32)]


def minimizer(function):
    """`lbfgs_graph` of a function of images, in float64."""

    @tf.function(autograph=False, input_signature=SIGNATURE)
    def minimize(image, steps):
        losses = losses_and_gradient(lambda images, step: {"value": function(images)}, SIGNATURE[0].shape, tf.float64)
        return lbfgs_graph(losses, image, steps)

    return minimize


def iterates_of_scipy(function, image, steps):
    """What SciPy has after each iteration."""
    iterates = []
    losses = losses_and_gradient(lambda images, step: {"value": function(images)}, image.shape, image.dtype)
    lbfgs(losses, image, steps, lambda iterate: iterates.append(iterate.image))
    return iterates


def rosenbrock(images):
    """A curved valley, for the line search, pulled towards both bounds."""
    x = 3 * images - 1
    pull = 300 * tf.cos(1.7 * tf.cast(tf.range(tf.shape(images)[1]), tf.float64))[:, None, None]
    valley = 100 * tf.square(x[:, 1:] - tf.square(x[:, :-1])) + tf.square(1.2 - x[:, 1:])
    return tf.reduce_sum(valley) + tf.reduce_sum(pull * x)


def test_iterations_are_those_of_scipy():
    minimize = minimizer(rosenbrock)
    image = np.random.default_rng(0).random((1, 12, 13, 3))
    image[0, :3], image[0, 5] = 0, 1
    expected = iterates_of_scipy(rosenbrock, image, 40)
    assert len(expected) > 20  # until the grid shows no further descent
    for steps in (1, 2, 3, 7, 15, len(expected), 40):
        np.testing.assert_allclose(minimize(image, steps), expected[min(steps, len(expected)) - 1], atol=GRAIN)
    assert 0.1 < np.mean(abs(expected[-1] - 0.5) > 0.499) < 0.9  # both ends and free pixels were met


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_a_large_picture_is_left_at_the_first_step(size):
    """Each of many pixels has a small part in the loss, whatever its size: still the first trial moves them."""
    image = np.random.default_rng(3).random((1, 400, 500, 3))

    def function(images):
        return size * tf.reduce_mean(tf.square(images - 0.5))

    losses = losses_and_gradient(lambda images, step: {"value": function(images)}, image.shape, image.dtype)
    values = []
    end = lbfgs(losses, image, 8, lambda iterate: values.append(iterate.losses["value"]))
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

    @tf.function(autograph=False)
    def run():
        zero = tf.zeros([], tf.float64)
        value, gradient = along(tf.zeros([1], tf.float64))
        begin = Point(zero, tf.zeros([1], tf.float64), value, gradient, gradient[0])
        return begin, search(along, begin, tf.ones([1], tf.float64), tf.constant(0.1, tf.float64))

    begin, found = run()
    assert found.accepted and found.point.step > 0
    assert found.point.value <= begin.value + 1e-3 * found.point.step * begin.slope
    assert abs(found.point.slope) <= -0.9 * begin.slope
