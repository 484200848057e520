"""Coordinates for L-BFGS: cosines in opponent colors, bent into [0, 1]; eager, in a graph and by NumPy the same."""

import numpy as np
import pytest
from oracles.coordinates import Coordinates as Oracle

from keras_style.internal.tensorflow import tf
from keras_style.optimize import coordinates
from keras_style.optimize.coordinates import FLAT_UNITS, FREQUENCIES, LEAST, MARGIN, UNITS, Coordinates

SHAPES = pytest.mark.parametrize("shape", [(1, 12, 17, 3), (2, 9, 8, 3), (1, 1, 5, 3)])


def picture(shape, low=0.01, high=0.99):
    return np.random.default_rng(sum(shape)).uniform(low, high, shape)


@SHAPES
def test_there_and_back(shape):
    image = picture(shape)
    image[0, 0, 0], image[0, -1, -1] = 0.0, 1.0
    there = Coordinates(shape, 0.3)
    back, _ = there.pixels(there.of(image))
    np.testing.assert_allclose(back, np.clip(image, LEAST, 1 - LEAST), atol=1e-12)


@SHAPES
def test_any_numbers_are_a_picture(shape):
    numbers = np.random.default_rng(1).normal(0, 0.5, np.prod(shape))
    pixels, slopes = Coordinates(shape, 1.0).pixels(numbers)
    for values in (pixels.numpy(), slopes.numpy()):
        assert values.min() >= 0 and values.max() <= 1


def test_a_coordinate_is_a_cosine_in_one_color():
    """By the definition of the transform, a sum of cosines written out."""
    height, width, move = 8, 6, 1e-3
    there = Coordinates((1, height, width, 3), move)
    grey = there.of(np.full((1, height, width, 3), 0.5)).numpy()
    for color, tint in enumerate(([1, 1, 1], [1, 0, -1], [1, -2, 1])):
        for down, across in ((0, 0), (0, 3), (5, 2), (7, 5)):
            index = np.ravel_multi_index((color, down, across), (3, height, width))
            pixels, _ = there.pixels(grey + np.eye(1, grey.size, index)[0])
            wave = np.outer(
                np.cos(np.pi * down * (np.arange(height) + 0.5) / height),
                np.cos(np.pi * across * (np.arange(width) + 0.5) / width),
            )
            expected = wave[:, :, None] * tint
            expected /= np.linalg.norm(expected)
            frequency = np.hypot(down / height, across / width) / 2
            unit = np.interp(np.log(max(frequency, 1e-9)), np.log(FREQUENCIES), UNITS[color])
            expected *= unit * move * np.sqrt(grey.size)
            np.testing.assert_allclose(pixels[0] - 0.5, expected, atol=1e-12)


@SHAPES
def test_gradient_is_that_of_finite_differences(shape):
    rng = np.random.default_rng(2)
    there = Coordinates(shape, 0.1)
    at = there.of(picture(shape, 0.0, 1.0)).numpy()
    weights, along = rng.normal(size=shape), rng.normal(size=at.size)
    slopes = there.pixels(at)[1]
    step = 1e-6
    ends = [np.sum(weights * there.pixels(at + sign * step * along)[0]) for sign in (1, -1)]
    assert there.gradient(weights, slopes).numpy() @ along == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)


def test_bent_is_smooth_and_undone():
    values = np.linspace(-0.08, 1.08, 2001)
    pixels, slopes = (each.numpy() for each in coordinates.bent(values))
    np.testing.assert_allclose(np.gradient(pixels, values)[1:-1], slopes[1:-1], atol=0.01)
    inside = (values >= MARGIN) & (values <= 1 - MARGIN)
    np.testing.assert_array_equal(pixels[inside], values[inside])
    kept = (pixels >= LEAST) & (pixels <= 1 - LEAST)
    assert 0 < kept.sum() < kept.size
    np.testing.assert_allclose(coordinates.straight(pixels).numpy()[kept], values[kept], atol=1e-12)


def test_in_flat_units_distances_are_those_of_pixels():
    one, other = picture((1, 12, 17, 3), 0.1, 0.9), picture((1, 12, 17, 3), 0.1, 0.9)[:, ::-1]
    flat = Coordinates(one.shape, 0.3, FLAT_UNITS)
    apart = np.sqrt(np.mean(np.square(one - other)))
    assert np.linalg.norm(flat.of(one) - flat.of(other)) == pytest.approx(apart / 0.3)


@pytest.mark.parametrize("units", [UNITS, FLAT_UNITS], ids=["measured", "flat"])
@SHAPES
def test_eager_and_in_a_graph_they_are_those_of_numpy(shape, units):
    image, gradient = picture(shape, 0.0, 1.0), np.random.default_rng(3).normal(size=shape)

    def run(image, gradient):
        there = Coordinates(tf.shape(image), 0.02, units)
        at = there.of(image)
        pixels, slopes = there.pixels(5 * at)
        return at, pixels, there.gradient(gradient, slopes)

    oracle = Oracle(shape, 0.02, units)
    at = oracle.of(image)
    pixels, slopes = oracle.pixels(5 * at)
    expected = (at, pixels, oracle.gradient(gradient, slopes))
    any_size = [tf.TensorSpec((None, None, None, 3), tf.float64)] * 2
    in_graph = tf.function(run, autograph=False, input_signature=any_size)
    for results in (run(tf.constant(image), tf.constant(gradient)), in_graph(image, gradient)):
        for result, wanted in zip(results, expected, strict=True):
            np.testing.assert_allclose(result, wanted, rtol=1e-9, atol=1e-12)
