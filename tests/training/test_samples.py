"""Feature vectors as samples: what resampling by weights, mixing and quantiles promise."""

import numpy as np
import pytest

from keras_style.internal.tensorflow import tf
from keras_style.losses.sampling import mixture, quantiles, samples


def numbered(height: int, width: int) -> np.ndarray:
    """Features (1, H, W, 2) whose vector at position i is (i, -i)."""
    positions = np.arange(height * width, dtype=np.float64)
    return np.stack([positions, -positions], axis=-1).reshape(1, height, width, 2)


def picked(features: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Which positions of `numbered` features were taken."""
    vectors = samples(tf.constant(features), None if mask is None else tf.constant(mask)).numpy()
    assert (vectors[..., 1] == -vectors[..., 0]).all()
    return vectors[..., 0]


def hazen(sample: np.ndarray, number: int) -> np.ndarray:
    return np.quantile(sample, (np.arange(number) + 0.5) / number, method="hazen", axis=-1).T


# Masks


def test_without_a_mask_all_vectors_are_taken_in_order():
    assert (picked(numbered(3, 4), None) == np.arange(12)).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 4), (64, 65)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mask_of_ones_is_no_mask(height, width, dtype):
    assert (picked(numbered(height, width), np.ones((1, height, width), dtype)) == np.arange(height * width)).all()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_mask_of_zeros_and_ones_takes_what_is_inside_in_order(share):
    mask = np.random.default_rng(0).random((1, 40, 37)) < share
    assert (picked(numbered(40, 37), mask.astype(np.float32))[0] == np.flatnonzero(mask)).all()


@pytest.mark.parametrize("seed", range(4))
def test_vectors_are_taken_as_often_as_they_weigh(seed):
    mask = np.random.default_rng(seed).random((1, 20, 30))
    times = np.bincount(picked(numbered(20, 30), mask)[0].astype(int), minlength=600)
    assert times.sum() == round(mask.sum())
    assert np.abs(times - mask.ravel() * (times.sum() / mask.sum())).max() < 1
    running = np.cumsum(times - mask.ravel() * (times.sum() / mask.sum()))
    assert np.abs(running).max() <= 0.5 + 1e-9  # systematic: no part of the list is served better than another


def test_half_a_weight_everywhere_takes_every_other_vector():
    assert (picked(numbered(4, 6), np.full((1, 4, 6), 0.5))[0] == np.arange(0, 24, 2)).all()


def test_a_region_that_weighs_next_to_nothing_still_has_a_vector():
    mask = np.zeros((1, 4, 5))
    mask[0, 2, 3] = 0.01
    assert (picked(numbered(4, 5), mask) == [[13]]).all()


def test_one_mask_serves_every_sample_of_a_batch():
    features = np.concatenate([numbered(4, 5), 100 + numbered(4, 5)])
    mask = np.random.default_rng(1).random((1, 4, 5)) < 0.5
    vectors = samples(tf.constant(features), tf.constant(mask.astype(np.float32))).numpy()
    assert (vectors[..., 0] == [np.flatnonzero(mask), 100 + np.flatnonzero(mask)]).all()


def test_every_sample_can_have_a_mask_of_its_own():
    masks = np.zeros((2, 2, 3))
    masks[0, 0], masks[1, 1] = 1, 1
    features = np.concatenate([numbered(2, 3)] * 2)
    assert (picked(features, masks) == [[0, 1, 2], [3, 4, 5]]).all()


def test_mask_of_another_size_gives_the_same_in_a_graph_of_unknown_size():
    signature = [tf.TensorSpec([None, None, None, 2], tf.float64), tf.TensorSpec([None, None, None], tf.float32)]
    graph = tf.function(samples, input_signature=signature)
    mask = np.random.default_rng(2).random((1, 6, 7)).astype(np.float32)
    assert (graph(numbered(6, 7), mask).numpy()[..., 0] == picked(numbered(6, 7), mask)).all()


def test_gradient_goes_to_the_vectors_that_were_taken():
    mask = np.random.default_rng(3).random((1, 4, 5)) < 0.5
    features = tf.Variable(numbered(4, 5))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(samples(features, tf.constant(mask.astype(np.float64))))
    assert (tape.gradient(total, features).numpy() == np.repeat(mask[..., None], 2, axis=-1)).all()


# Mixtures


def group(value: float, number: int) -> tf.Tensor:
    """`number` vectors (value, 0), (value, 1), ..."""
    return tf.constant(np.stack([np.full(number, value), np.arange(number)], axis=-1)[None])


@pytest.mark.parametrize(
    ("sizes", "shares", "expected"),
    [
        ((40, 40), (0.5, 0.5), (40, 40)),
        ((40, 40), (0.25, 0.75), (13, 40)),
        ((40, 120), (0.25, 0.75), (40, 120)),
        ((10, 1000), (0.5, 0.5), (10, 10)),
        ((40, 40), (1.0, 0.0), (40, 0)),
        ((40, 40, 20), (0.25, 0.25, 0.5), (10, 10, 20)),
    ],
)
def test_mixture_takes_from_each_group_in_proportion_to_its_share(sizes, shares, expected):
    mixed = mixture([group(value, size) for value, size in enumerate(sizes)], shares).numpy()[0]
    assert [int((mixed[:, 0] == value).sum()) for value in range(len(sizes))] == list(expected)


def test_mixture_spreads_what_it_takes_over_the_group():
    mixed = mixture([group(0, 100), group(1, 10)], (0.5, 0.5)).numpy()[0]
    assert (mixed[mixed[:, 0] == 0][:, 1] == np.arange(5, 100, 10)).all()


def test_mixture_of_one_group_is_the_group():
    np.testing.assert_array_equal(mixture([group(0, 7)], (1.0,)), group(0, 7))


# Quantiles


@pytest.mark.parametrize("have", [1, 2, 7, 40])
@pytest.mark.parametrize("number", [1, 2, 7, 40, 99])
def test_quantiles_are_those_of_hazen(have, number):
    sample = np.sort(np.random.default_rng(have).normal(size=(3, have)))
    np.testing.assert_allclose(quantiles(tf.constant(sample), tf.constant(number)), hazen(sample, number), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("number", [1, 3, 1000, 4097])
def test_as_many_quantiles_as_samples_are_the_samples(dtype, number):
    sample = np.sort(np.random.default_rng(0).normal(size=(2, number)).astype(dtype))
    np.testing.assert_array_equal(quantiles(tf.constant(sample), tf.constant(number)), sample)


def test_twice_the_same_samples_have_the_same_quantiles_at_half_the_ranks():
    sample = np.sort(np.random.default_rng(0).normal(size=(2, 50)))
    twice = np.repeat(sample, 2, axis=-1)
    np.testing.assert_allclose(quantiles(tf.constant(twice), tf.constant(50)), sample, rtol=1e-12)
