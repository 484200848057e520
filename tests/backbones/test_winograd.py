"""Winograd's convolution against TensorFlow's direct one in float64, and against itself at sizes unknown."""

import numpy as np
import pytest

from keras_style.backbones import winograd
from keras_style.internal.tensorflow import tf

# Sides below, at and beyond multiples of a tile's four outputs, and as few as there can be.
SHAPES = [(1, 1, 1, 3), (1, 5, 2, 4), (1, 4, 8, 5), (2, 7, 13, 3), (3, 20, 17, 8)]


def pair(shape, filters, dtype):
    random = np.random.default_rng(sum(shape))
    return tf.constant(random.normal(size=shape), dtype), random.normal(size=(3, 3, shape[-1], filters))


def error(found, expected) -> float:
    return float(np.sqrt(np.mean((found - expected) ** 2) / np.mean(np.square(expected))))


def value_and_gradient(convolve, images):
    slope = np.random.default_rng(1).normal(size=convolve(images).shape)
    with tf.GradientTape() as tape:
        tape.watch(images)
        made = convolve(images)
        total = tf.reduce_sum(made * slope)
    return made.numpy(), tape.gradient(total, images).numpy()


def directly(images, kernel):
    return value_and_gradient(lambda x: tf.nn.conv2d(x, tf.constant(kernel, x.dtype), 1, "SAME"), images)


def by_winograd(images, kernel):
    return value_and_gradient(lambda x: winograd.convolve(x, winograd.prepare(kernel, x.dtype)), images)


@pytest.fixture
def always(monkeypatch):
    """However few positions there are."""
    monkeypatch.setattr(winograd, "_MANY", 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_result_and_gradient_are_those_of_the_direct_convolution(always, shape):
    images, kernel = pair(shape, 7, tf.float64)
    for found, expected in zip(by_winograd(images, kernel), directly(images, kernel), strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


def test_float32_rounds_to_what_the_module_says():
    images, kernel = pair((1, 40, 30, 256), 128, tf.float64)
    expected = directly(images, kernel)
    found = by_winograd(tf.cast(images, tf.float32), kernel)
    assert max(error(each, exact) for each, exact in zip(found, expected, strict=True)) < 4e-6


def test_a_graph_of_any_size_decides_when_it_runs():
    images, kernel = pair((1, 24, 20, 16), 12, tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 16])], autograph=False)
    def graph(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            made = winograd.convolve(x, winograd.prepare(kernel, x.dtype))
            total = tf.reduce_sum(tf.square(made))
        return made, tape.gradient(total, x)

    for height, width, pays in ((24, 20, True), (8, 9, False)):
        part = images[:, :height, :width]
        assert winograd.pays(part) == pays
        made, gradient = graph(part)
        expected = tf.nn.conv2d(part, tf.constant(kernel, tf.float32), 1, "SAME")
        assert np.array_equal(made, expected) != pays  # the rounding tells which it was
        assert error(made, expected) < 4e-6
        turned = np.swapaxes(kernel[::-1, ::-1], 2, 3)
        assert error(gradient, tf.nn.conv2d(2 * made, tf.constant(turned, tf.float32), 1, "SAME")) < 4e-6
