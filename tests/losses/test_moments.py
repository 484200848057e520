"""Moments loss against two-pass sums in float64, and what it promises."""

import numpy as np
import pytest
from feature_maps import blended, distance, gradient, random_features
from oracles import gradients
from oracles.moments import batch_norm_matching

from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf
from keras_style.losses import GramLoss
from keras_style.losses.moments import MomentsLoss

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


def test_sum_is_the_mean_times_the_positions_of_the_image():
    wanted = 35 * batch_norm_matching(IMAGE, LARGER_STYLE, 1e-5)
    assert distance(MomentsLoss(normalization="sum"), IMAGE, LARGER_STYLE) == pytest.approx(wanted, rel=1e-12)


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


# Gradient and blend


def test_gradient_is_that_of_central_differences():
    image, style = random_features(4, 3, 2), random_features(4, 3, 2, 1)
    by_oracle = gradients.one_by_one(lambda point: batch_norm_matching(point, style, 1e-5))
    expected = gradients.gradient(by_oracle, image, h=1e-5)
    np.testing.assert_allclose(gradient(MomentsLoss(), image, style), expected, rtol=1e-6, atol=1e-8)


def test_blend_has_the_moments_of_the_mixture():
    mixture = np.concatenate([STYLE, *[random_features(5, 7, 6, 2)] * 3])  # a quarter and three quarters
    value = blended(MomentsLoss(), IMAGE, [STYLE, random_features(5, 7, 6, 2)], [0.25, 0.75])
    assert value == pytest.approx(batch_norm_matching(IMAGE, mixture, 1e-5), rel=1e-12)


@pytest.mark.parametrize("epsilon", [0, -1, float("nan"), "1e-5", None])
def test_bad_epsilon_is_named_with_what_is_expected(epsilon):
    with pytest.raises(InputError, match=r"epsilon is .*; expected a number of at least 1e-12"):
        MomentsLoss(epsilon)
