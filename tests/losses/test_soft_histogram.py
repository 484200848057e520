"""Soft histograms against triangles summed over all positions and bins, in float64."""

import numpy as np
import pytest
from oracles import gradients

from keras_style.internal.tensorflow import tf
from keras_style.losses import soft_histogram as histograms
from keras_style.losses.soft_histogram import soft_histogram

LOW, HIGH = np.array([-1.0, 0.0, 10.0]), np.array([3.0, 0.5, 1000.0])


def by_triangles(values: np.ndarray, weights: np.ndarray, low: np.ndarray, high: np.ndarray, bins: int) -> np.ndarray:
    """Shares (C, bins) of values (M, C): what every value adds to every bin, summed."""
    centers = np.linspace(low, high, bins)
    triangles = np.maximum(1 - np.abs(values[:, None] - centers) / (centers[1] - centers[0]), 0)
    return (weights[:, None, None] * triangles).sum(axis=0).T / weights.sum()


def by_interpolation(
    values: np.ndarray, weights: np.ndarray, low: np.ndarray, high: np.ndarray, bins: int
) -> tf.Tensor:
    step = (high - low) / (bins - 1)
    arguments = (tf.constant(each[None]) for each in (values, weights, low, step))
    return soft_histogram(*arguments, bins)[0]


def by_sums(values: np.ndarray, weights: np.ndarray, low: np.ndarray, high: np.ndarray, bins: int) -> tf.Tensor:
    statistics = histograms._represented(tf.constant(values[None]), tf.constant(weights[None]))
    step = (high - low) / (bins - 1)
    return histograms.histogram_of_sums(statistics, tf.constant(low[None]), tf.constant(step[None]), bins)[0]


both_ways = pytest.mark.parametrize("histogram", [by_interpolation, by_sums])


def random_values(positions: int, seed: int = 0) -> np.ndarray:
    """Within the range, its two ends among them, and some equal."""
    generator = np.random.default_rng(seed)
    values = LOW + (HIGH - LOW) * generator.random((positions, 3)) ** 3
    values[: positions // 3] = LOW
    values[-1] = HIGH
    return generator.permutation(values)


@both_ways
@pytest.mark.parametrize("bins", [2, 3, 64])
@pytest.mark.parametrize("positions", [1, 2, 500])
def test_histogram_is_the_sum_of_triangles(histogram, bins, positions):
    values, weights = random_values(positions), np.random.default_rng(1).random(positions)
    expected = by_triangles(values, weights, LOW, HIGH, bins)
    np.testing.assert_allclose(histogram(values, weights, LOW, HIGH, bins), expected, rtol=1e-9, atol=1e-11)


@both_ways
def test_histogram_of_single_precision_is_that_of_the_same_values_in_double(histogram):
    values, weights = random_values(500).astype(np.float32), np.random.default_rng(1).random(500, np.float32)
    expected = by_triangles(values.astype(np.float64), weights.astype(np.float64), LOW, HIGH, 64)
    np.testing.assert_allclose(histogram(values, weights, LOW, HIGH, 64), expected, rtol=1e-9, atol=1e-11)


@both_ways
def test_value_at_a_center_counts_there_alone(histogram):
    value = np.array([[3.0, 0.25, 10.0]])
    expected = [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    np.testing.assert_allclose(histogram(value, np.ones(1), LOW, HIGH, 3), expected, atol=1e-12)


@both_ways
def test_what_has_no_weight_may_lie_anywhere(histogram):
    values, weights = random_values(500), np.random.default_rng(1).random(500)
    weights[::3] = 0
    far = np.where(weights[:, None] > 0, values, np.random.default_rng(2).normal(0, 1e4, (500, 3)))
    np.testing.assert_allclose(
        histogram(far, weights, LOW, HIGH, 64), by_triangles(values, weights, LOW, HIGH, 64), rtol=1e-9, atol=1e-11
    )


@both_ways
def test_range_without_width_has_everything_at_the_first_center(histogram):
    values = np.full((5, 3), 0.3)
    histogram = histogram(values, np.ones(5), values[0], values[0], 4)
    np.testing.assert_array_equal(histogram, [[1, 0, 0, 0]] * 3)


def test_derivative_is_that_of_central_differences():
    weights = np.random.default_rng(1).random(12)
    values = LOW + (HIGH - LOW) * np.random.default_rng(2).random((12, 3))  # none at a center, where there is a kink
    pull = np.random.default_rng(3).normal(size=(3, 5))
    variable = tf.Variable(values[None])
    step = tf.constant((HIGH - LOW)[None] / 4)
    with tf.GradientTape() as tape:
        histogram = soft_histogram(variable, tf.constant(weights[None]), tf.constant(LOW[None]), step, 5)
        value = tf.reduce_sum(histogram * pull)
    of_triangles = gradients.one_by_one(lambda at: float((by_triangles(at, weights, LOW, HIGH, 5) * pull).sum()))
    expected = gradients.gradient(of_triangles, values, h=1e-5)
    np.testing.assert_allclose(tape.gradient(value, variable)[0], expected, rtol=1e-6, atol=1e-9)

    def interpolated(many: np.ndarray) -> np.ndarray:
        shares, lows, steps = (np.repeat(each[None], len(many), axis=0) for each in (weights, LOW, (HIGH - LOW) / 4))
        return (soft_histogram(*map(tf.constant, (many, shares, lows, steps)), 5).numpy() * pull).sum((1, 2))

    numeric = gradients.gradient(interpolated, values, h=1e-5)
    np.testing.assert_allclose(numeric, expected, rtol=1e-6, atol=1e-9)


def test_derivative_at_the_ends_of_the_range_is_the_inward_one():
    variable = tf.Variable([[[0.0], [0.7], [2.0]]])
    low, step = tf.zeros([1, 1], tf.float64), tf.ones([1, 1], tf.float64)
    with tf.GradientTape() as tape:
        histogram = soft_histogram(variable, tf.ones([1, 3]), low, step, 3)
        value = tf.reduce_sum(histogram * [1.0, 3.0, 11.0])
    np.testing.assert_allclose(tape.gradient(value, variable)[0, :, 0], np.array([2, 2, 8]) / 3, rtol=1e-6)


def test_equal_bits_every_time():
    values = tf.constant(np.random.default_rng(0).random((1, 20000, 16)).astype(np.float32))
    weights = tf.constant(np.random.default_rng(1).random((1, 20000)).astype(np.float32))
    low, step = tf.zeros([1, 16], tf.float64), tf.fill([1, 16], tf.constant(1 / 7, tf.float64))
    first = soft_histogram(values, weights, low, step, 8).numpy()
    for _ in range(5):
        np.testing.assert_array_equal(soft_histogram(values, weights, low, step, 8), first)
    order = np.random.default_rng(2).permutation(20000)
    shuffled = soft_histogram(tf.gather(values, order, axis=1), tf.gather(weights, order, axis=1), low, step, 8)
    np.testing.assert_array_equal(shuffled, first)
