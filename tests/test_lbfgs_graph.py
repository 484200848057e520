"""L-BFGS-B as a graph takes SciPy's iterations, and its line search keeps the conditions of its paper."""

import numpy as np
import pytest
import scipy.optimize

from keras_style.optimize.gradient import losses_and_gradient
from keras_style.optimize.lbfgs import lbfgs, on_grid
from keras_style.optimize.lbfgs_graph import lbfgs_graph
from keras_style.optimize.line_search_graph import Point, search
from keras_style.runtime import tf

SIGNATURE = [tf.TensorSpec((1, None, None, 3), tf.float64), tf.TensorSpec([], tf.int32)]


def minimizer(function):
    """`lbfgs_graph` of a function of images, in float64."""

    @tf.function(autograph=False, input_signature=SIGNATURE)
    def minimize(image, steps):
        losses = losses_and_gradient(lambda images, step: {"value": function(images)}, SIGNATURE[0].shape, tf.float64)
        return lbfgs_graph(losses, image, steps)

    return minimize


def iterates_of_scipy(function, image, steps):
    """What SciPy has after each iteration, with the settings of `lbfgs`."""
    iterates = []

    def objective(pixels):
        images = on_grid(pixels.reshape(image.shape), tf.float64)
        with tf.GradientTape() as tape:
            tape.watch(images)
            value = function(images)
        return scale * float(value), scale * tape.gradient(value, images).numpy().ravel()

    scale = 1.0
    scale = 0.02 / np.sqrt(np.mean(objective(image.ravel())[1] ** 2))
    scipy.optimize.minimize(
        objective,
        image.ravel(),
        method="L-BFGS-B",
        jac=True,
        bounds=scipy.optimize.Bounds(0, 1),
        callback=lambda pixels: iterates.append(on_grid(pixels.reshape(image.shape), tf.float64).numpy()),
        options={"maxiter": steps, "maxfun": 2 * steps, "maxcor": 10, "ftol": 0, "gtol": 0, "maxls": 20},
    )
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
        np.testing.assert_allclose(minimize(image, steps), expected[min(steps, len(expected)) - 1], atol=1e-9)
    assert 0.1 < np.mean((expected[-1] == 0) | (expected[-1] == 1)) < 0.9  # both bounds and free pixels were met


def test_many_breakpoints_before_the_cauchy_point():
    """A flat function whose minimum is beyond the bounds of nearly all of more pixels than are sorted at first."""
    aim = np.random.default_rng(1).choice([-40.0, 41.0, 0.5], (1, 40, 30, 3), p=[0.49, 0.49, 0.02])

    def flat(images):
        return tf.reduce_sum(tf.square(images - aim)) + 0.1 * tf.reduce_sum(images[:, 1:] * images[:, :-1])

    image = np.random.default_rng(2).random(aim.shape)
    expected = iterates_of_scipy(flat, image, 6)
    minimize = minimizer(flat)
    for steps in range(1, len(expected) + 1):
        np.testing.assert_allclose(minimize(image, steps), expected[steps - 1], atol=1e-9)


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_a_large_picture_is_left_at_the_first_step(size):
    """Each of many pixels has a small part in the loss, whatever its size: still the first trial moves them."""
    image = np.random.default_rng(3).random((1, 400, 500, 3))

    def function(images):
        return size * tf.reduce_mean(tf.square(images - 0.5))

    losses = losses_and_gradient(lambda images, step: {"value": function(images)}, image.shape, image.dtype)
    values = []
    end = lbfgs(losses, image, 4, lambda iterate: values.append(iterate.losses["value"]))
    assert values[0] < 0.95 * function(image) and values[1] < 1e-6 * function(image)
    np.testing.assert_allclose(end, 0.5, atol=1e-4)
    np.testing.assert_array_equal(minimizer(function)(image, 4), end)


def test_where_no_pixel_can_descend_nothing_moves():
    minimize = minimizer(lambda images: tf.reduce_sum(images))
    np.testing.assert_array_equal(minimize(np.zeros((1, 4, 4, 3)), 5), 0)
    np.testing.assert_array_equal(minimize(np.full((1, 4, 4, 3), 0.5), 50), 0)


@pytest.mark.parametrize(
    "function",
    [
        lambda t: -t / (t**2 + 0.02),  # 5.1, 5.3 and 5.2 of the paper: far minimum, noise near a small step, concave
        lambda t: (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4,
        lambda t: 1 - t + 0.01 * tf.sin(40 * t),
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
        return begin, search(along, begin, tf.ones([1], tf.float64), tf.ones([], tf.float64))

    begin, found = run()
    assert found.accepted and 0 < found.point.step <= 1
    assert found.point.value <= begin.value + 1e-3 * found.point.step * begin.slope
    assert abs(found.point.slope) <= -0.9 * begin.slope or found.point.step == 1
