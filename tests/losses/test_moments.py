"""Moments loss against two-pass sums in float64, and what it promises."""

import numpy as np
import pytest
from oracles import gradients
from oracles.moments import batch_norm_matching

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses import GramLoss
from keras_style.losses.feature_loss import FeatureLoss, Statistics
from keras_style.losses.moments import MomentsLoss


def random_features(height: int, width: int, filters: int, seed: int = 0) -> np.ndarray:
    """Like activations: many zeros, the rest of any size."""
    return np.random.default_rng(seed).normal(0.3, 2, (height, width, filters)).clip(0)


def statistics(features: np.ndarray, mask: np.ndarray | None = None) -> Statistics:
    return MomentsLoss().statistics(tf.constant(features[None]), None if mask is None else tf.constant(mask[None]))


def distance(loss: FeatureLoss, image: np.ndarray, style: np.ndarray) -> float:
    """Distance of single feature maps (H, W, N), in their own dtype."""
    values = loss.distance(loss.statistics(tf.constant(style[None])), loss.statistics(tf.constant(image[None])))
    assert values.shape == (1,)
    return float(values[0])


IMAGE, STYLE, LARGER_STYLE = random_features(5, 7, 6), random_features(5, 7, 6, 1), random_features(9, 8, 6, 2)


# Against two-pass sums


@pytest.mark.parametrize("style", [STYLE, LARGER_STYLE], ids=["equal size", "different size"])
@pytest.mark.parametrize("epsilon", [1e-12, 1e-5, 0.5])
def test_moments_loss_is_the_published_one(epsilon, style):
    wanted = batch_norm_matching(IMAGE, style, epsilon)
    assert distance(MomentsLoss(epsilon), IMAGE, style) == pytest.approx(wanted, rel=1e-12)
    single = MomentsLoss(epsilon)(style[None].astype(np.float32), IMAGE[None].astype(np.float32))
    assert single.dtype == tf.float32
    assert float(single) == pytest.approx(wanted, rel=1e-5)


def test_a_constant_of_another_value_is_the_square_of_the_difference():
    assert distance(MomentsLoss(), np.full((3, 4, 2), 5.0), np.full((6, 2, 2), 2.0)) == pytest.approx(9, rel=1e-9)


def test_a_spread_around_the_same_mean_is_its_squared_deviation():
    image = np.array([-3.0, 3.0]).reshape(1, 2, 1)  # standard deviation 3, that of zeros sqrt(epsilon)
    assert distance(MomentsLoss(0.25), image, np.zeros((2, 2, 1))) == pytest.approx((np.sqrt(9.25) - 0.5) ** 2)


def test_float32_keeps_a_variance_far_below_the_square_of_the_mean_over_many_positions():
    rng = np.random.default_rng(0)
    image = (50 + rng.normal(size=(256, 256, 4))).astype(np.float32)
    style = (50 + 2 * rng.normal(size=(256, 256, 4))).astype(np.float32)
    assert distance(MomentsLoss(), image, style) == pytest.approx(batch_norm_matching(image, style, 1e-5), rel=1e-3)


def test_equal_gram_matrices_with_other_moments_differ():
    image = np.broadcast_to([1.0, 2.0], (4, 4, 2))
    signs = np.where(np.arange(4) % 2, 1.0, -1.0)[:, None, None]
    assert distance(GramLoss(), image, image * signs) == 0
    assert distance(MomentsLoss(1e-12), image, image * signs) == pytest.approx(5, rel=1e-5)


# Promises


def test_distance_from_itself_is_zero():
    assert distance(MomentsLoss(), IMAGE, IMAGE) == 0
    assert distance(MomentsLoss(), IMAGE, STYLE) > 0


def test_it_does_not_see_where_features_are():
    shuffled = np.random.default_rng(3).permutation(LARGER_STYLE.reshape(-1, 6)).reshape(8, 9, 6)
    expected = distance(MomentsLoss(), IMAGE, LARGER_STYLE)
    assert distance(MomentsLoss(), IMAGE, shuffled) == pytest.approx(expected, rel=1e-12)


def test_statistics_of_two_halves_add_up():
    whole, top, bottom = (statistics(part) for part in (LARGER_STYLE, LARGER_STYLE[:4], LARGER_STYLE[4:]))
    summed = {key: top[key] + bottom[key] for key in whole}
    for key in whole:
        np.testing.assert_allclose(summed[key], whole[key], rtol=1e-12)
    value = MomentsLoss().distance(summed, statistics(IMAGE))
    assert float(value[0]) == pytest.approx(distance(MomentsLoss(), IMAGE, LARGER_STYLE), rel=1e-11)


def test_mask_of_ones_is_no_mask():
    masked, plain = statistics(IMAGE, np.ones((5, 7), np.float32)), statistics(IMAGE)
    for key in plain:
        np.testing.assert_array_equal(masked[key], plain[key])


def test_mask_of_zeros_and_ones_keeps_the_positions_inside():
    mask = np.random.default_rng(4).random((9, 8)) < 0.4
    masked = statistics(LARGER_STYLE, mask.astype(np.float32))
    value = MomentsLoss().distance(masked, statistics(IMAGE))
    inside = LARGER_STYLE[mask][None]
    assert float(value[0]) == pytest.approx(batch_norm_matching(IMAGE, inside, 1e-5), rel=1e-12)


def test_mask_of_a_half_counts_a_position_half():
    doubled = np.concatenate([STYLE, STYLE[:2]])
    mask = np.ones(doubled.shape[:2])
    mask[:2], mask[5:] = 0.5, 0.5
    value = MomentsLoss().distance(statistics(doubled, mask), statistics(IMAGE))
    assert float(value[0]) == pytest.approx(batch_norm_matching(IMAGE, STYLE, 1e-5), rel=1e-12)


def test_distance_of_a_batch_is_one_value_per_sample():
    images = np.stack([random_features(4, 5, 6, seed) for seed in (0, 1, 2)])
    loss = MomentsLoss()
    values = loss.distance(statistics(STYLE), loss.statistics(tf.constant(images)))
    np.testing.assert_allclose(values, [batch_norm_matching(image, STYLE, 1e-5) for image in images], rtol=1e-12)


def test_graph_of_unknown_size_agrees():
    graph = tf.function(MomentsLoss(), input_signature=[tf.TensorSpec([None, None, None, 6], tf.float32)] * 2)
    style, image = LARGER_STYLE[None].astype(np.float32), IMAGE[None].astype(np.float32)
    np.testing.assert_allclose(graph(style, image), MomentsLoss()(style, image), rtol=1e-5)


def test_gradient_is_that_of_central_differences():
    image, style = random_features(4, 3, 2), random_features(4, 3, 2, 1)
    variable = tf.Variable(image[None])
    with tf.GradientTape() as tape:
        value = MomentsLoss().distance(statistics(style), MomentsLoss().statistics(variable))
    expected = gradients.gradient(lambda point: batch_norm_matching(point, style, 1e-5), image, h=1e-5)
    np.testing.assert_allclose(tape.gradient(value, variable)[0], expected, rtol=1e-6, atol=1e-8)


def test_gradient_under_a_mask_is_that_of_central_differences():
    image, style = random_features(4, 3, 2), random_features(4, 3, 2, 1)
    mask = np.random.default_rng(5).random((4, 3))
    loss, variable = MomentsLoss(), tf.Variable(image[None])
    with tf.GradientTape() as tape:
        value = loss.distance(statistics(style), loss.statistics(variable, tf.constant(mask[None])))

    def masked(point: np.ndarray) -> float:
        return float(loss.distance(statistics(style), statistics(point, mask))[0])

    expected = gradients.gradient(masked, image, h=1e-5)
    np.testing.assert_allclose(tape.gradient(value, variable)[0], expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("value", [0.0, 2.5, 1234.567])
@pytest.mark.parametrize("shape", [(1, 4, 4, 3), (1, 1, 1, 3), (1, 64, 64, 3)])
def test_value_and_gradient_are_finite_on_flat_features(shape, value):
    variable = tf.Variable(np.full(shape, value), dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss = MomentsLoss()(tf.random.stateless_uniform(shape, (0, 1)), variable)
    assert 0 < loss < np.inf
    assert np.isfinite(tape.gradient(loss, variable)).all()


def test_magnitude_is_the_distance_from_features_of_zero():
    expected = batch_norm_matching(np.zeros((2, 2, 6)), STYLE, 1e-5)
    assert float(MomentsLoss().magnitude(statistics(STYLE))[0]) == pytest.approx(expected, rel=1e-12)


def test_blend_has_the_moments_of_the_mixture():
    blended = MomentsLoss().blend([statistics(STYLE), statistics(random_features(5, 7, 6, 2))], [0.25, 0.75])
    mixture = np.concatenate([STYLE, *[random_features(5, 7, 6, 2)] * 3])  # a quarter and three quarters
    value = MomentsLoss().distance(blended, statistics(IMAGE))
    assert float(value[0]) == pytest.approx(batch_norm_matching(IMAGE, mixture, 1e-5), rel=1e-12)


def test_serialization_keeps_every_setting():
    loss = MomentsLoss(epsilon=0.25, name="bn", reduction="sum")
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(restored) is MomentsLoss
    assert restored.get_config() == loss.get_config()
    assert (restored.epsilon, restored.name, restored.reduction) == (0.25, "bn", "sum")


@pytest.mark.parametrize("epsilon", [0, -1, float("nan"), "1e-5", None])
def test_bad_epsilon_is_named_with_what_is_expected(epsilon):
    with pytest.raises(InputError, match=r"epsilon is .*; expected a number of at least 1e-12"):
        MomentsLoss(epsilon)
