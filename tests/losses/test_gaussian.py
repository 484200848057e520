"""Divergences of Gaussians against closed forms written otherwise, sampling and quadrature, and what they promise."""

import numpy as np
import pytest
from feature_maps import blended, distance, distances_from, gradient
from oracles import gaussian as oracle
from oracles import gradients

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses.gaussian import GaussianKLLoss, GaussianLoss, GaussianRenyiLoss

EPSILON = 0.01
EVERY_LOSS = [GaussianKLLoss(EPSILON), *(GaussianRenyiLoss(alpha, EPSILON) for alpha in (0.2, 0.5, 0.9))]
every_loss = pytest.mark.parametrize("loss", EVERY_LOSS, ids=["kl", "renyi-0.2", "renyi-0.5", "renyi-0.9"])


def random_features(height: int, width: int, filters: int, seed: int = 0) -> np.ndarray:
    """Like activations: many zeros, the rest of any size, filters that go together."""
    rng = np.random.default_rng(seed)
    return (rng.normal(0.3, 2, (height, width, filters)) @ rng.normal(size=(filters, filters))).clip(0)


def expected(loss: GaussianLoss, image: np.ndarray, style: np.ndarray) -> float:
    p, q = oracle.fitted(image, style, loss.epsilon)
    if isinstance(loss, GaussianRenyiLoss):
        return oracle.renyi(p, q, loss.alpha) / image.shape[-1]
    return oracle.kullback_leibler(p, q) / image.shape[-1]


IMAGE, STYLE, LARGER_STYLE = random_features(5, 7, 6), random_features(5, 7, 6, 1), random_features(9, 8, 6, 2)


# Against other computations


@every_loss
@pytest.mark.parametrize("style", [STYLE, LARGER_STYLE], ids=["equal size", "different size"])
def test_divergence_is_its_closed_form(loss, style):
    wanted = expected(loss, IMAGE, style)
    assert wanted > 0.01
    assert distance(loss, IMAGE, style) == pytest.approx(wanted, rel=1e-10)
    single = loss(style[None].astype(np.float32), IMAGE[None].astype(np.float32))
    assert single.dtype == tf.float32
    assert float(single) == pytest.approx(wanted, rel=1e-4)


def test_kl_is_the_mean_log_ratio_of_the_densities():
    image, style = random_features(6, 6, 3), random_features(6, 6, 3, 1)
    mean, error = oracle.sampled_kullback_leibler(*oracle.fitted(image, style, 0.1), samples=200_000)
    value = 3 * distance(GaussianKLLoss(0.1), image, style)
    assert error < 0.02 * value
    assert abs(value - mean) < 4 * error


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.75])
def test_renyi_is_the_integral_that_defines_it(alpha):
    image, style = random_features(4, 4, 1), 3 + random_features(4, 4, 1, 1)
    wanted = oracle.integrated_renyi(*oracle.fitted(image, style, EPSILON), alpha)
    assert distance(GaussianRenyiLoss(alpha, EPSILON), image, style) == pytest.approx(wanted, rel=1e-8)


def test_renyi_of_order_towards_one_is_kl():
    kl = distance(GaussianKLLoss(EPSILON), IMAGE, STYLE)
    gaps = [abs(distance(GaussianRenyiLoss(1 - gap, EPSILON), IMAGE, STYLE) - kl) for gap in (1e-2, 1e-4, 1e-6)]
    assert gaps[0] > 50 * gaps[1] > 2500 * gaps[2]
    assert gaps[2] < 1e-4 * kl


def test_renyi_of_order_one_half_is_symmetric_and_kl_is_not():
    half, kl = GaussianRenyiLoss(0.5), GaussianKLLoss()
    assert distance(half, IMAGE, STYLE) == pytest.approx(distance(half, STYLE, IMAGE), rel=1e-10)
    assert abs(distance(kl, IMAGE, STYLE) / distance(kl, STYLE, IMAGE) - 1) > 0.1


def test_renyi_grows_with_its_order_up_to_kl():
    values = [distance(loss, IMAGE, STYLE) for loss in (*EVERY_LOSS[1:], EVERY_LOSS[0])]
    assert values == sorted(values)


def test_independent_copies_of_the_filters_leave_the_value_per_filter():
    a, b = (random_features(64, 1, 1, seed)[:, 0] for seed in (0, 1))
    pairs = np.stack(np.meshgrid(a, a), axis=-1), np.stack(np.meshgrid(b, b), axis=-1)  # two independent filters
    for loss in EVERY_LOSS:
        assert distance(loss, *pairs) == pytest.approx(distance(loss, a[:, None], b[:, None]), rel=1e-9)


# Promises


@every_loss
def test_unit_of_the_features_does_not_matter(loss):
    for unit in (1e-6, 255.0, 1e6):
        value = distance(loss, unit * IMAGE, unit * STYLE)
        assert value == pytest.approx(distance(loss, IMAGE, STYLE), rel=1e-9)


def test_products_are_sums_over_positions():
    statistics = GaussianKLLoss().statistics(tf.constant(IMAGE[None]))
    np.testing.assert_allclose(statistics["products"][0], np.einsum("hwi,hwj->ij", IMAGE, IMAGE), rtol=1e-12)
    np.testing.assert_allclose(statistics["sum"][0], IMAGE.sum(axis=(0, 1)), rtol=1e-12)
    assert statistics["count"].numpy() == [35]


def test_float32_keeps_a_small_spread_around_a_large_mean_over_many_positions():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(16, 16))
    image, style = ((20 + rng.normal(size=(128, 128, 16)) @ mixing).astype(np.float32) for _ in range(2))
    for loss in (GaussianKLLoss(1e-4), GaussianRenyiLoss(0.5, 1e-4)):
        assert distance(loss, image, 2 * style) == pytest.approx(expected(loss, image, 2 * style), rel=1e-3)


# Gradients


@every_loss
@pytest.mark.parametrize(
    ("size", "style_size"), [((4, 3, 3), (4, 3, 3)), ((2, 2, 6), (1, 3, 6))], ids=["more", "fewer"]
)
def test_gradient_with_more_or_fewer_positions_than_filters_is_that_of_central_differences(loss, size, style_size):
    image, style = random_features(*size), random_features(*style_size, 1)
    by_oracle = gradients.one_by_one(lambda point: expected(loss, point, style))
    wanted = gradients.gradient(by_oracle, image, h=1e-5)
    np.testing.assert_allclose(gradient(loss, image, style), wanted, rtol=1e-5, atol=1e-7)


@every_loss
def test_gradient_under_a_mask_is_that_of_central_differences(loss):
    image, style = random_features(4, 3, 3), random_features(4, 3, 3, 1)
    mask = np.random.default_rng(5).random((4, 3))
    wanted = gradients.gradient(distances_from(loss, style, mask), image, h=1e-5)
    np.testing.assert_allclose(gradient(loss, image, style, mask), wanted, rtol=1e-6, atol=1e-8)


@every_loss
def test_gradient_for_the_style_is_that_of_central_differences(loss):
    images = np.stack([random_features(4, 3, 3), random_features(4, 3, 3, 2)])
    style = random_features(4, 3, 3, 1)
    variable = tf.Variable(style[None])
    with tf.GradientTape() as tape:
        values = loss.distance(loss.statistics(variable), loss.statistics(tf.constant(images)))
        total = tf.reduce_sum(values * tf.constant([1.0, 3.0], tf.float64))
    by_oracle = gradients.one_by_one(
        lambda point: expected(loss, images[0], point) + 3 * expected(loss, images[1], point)
    )
    wanted = gradients.gradient(by_oracle, style, h=1e-5)
    np.testing.assert_allclose(tape.gradient(total, variable)[0], wanted, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", [GaussianKLLoss(1e-4), GaussianRenyiLoss(0.5, 1e-4)], ids=["kl", "renyi"])
@pytest.mark.parametrize("side", [1, 32])
def test_smallest_epsilon_is_enough_for_float32_with_512_constant_filters(loss, side):
    levels = np.abs(np.random.default_rng(0).normal(0, 100, 512)).astype(np.float32)
    image, style = (np.broadcast_to(factor * levels, (side, side, 512)).astype(np.float32) for factor in (1, 1.1))
    assert distance(loss, image, style) == pytest.approx(expected(loss, image, style), rel=0.01)


def test_descent_reaches_the_style():
    variable = tf.Variable(IMAGE[None])
    loss, optimizer = GaussianKLLoss(dtype="float64"), keras.optimizers.Adam(0.1)
    optimizer.build([variable])

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            value = loss(STYLE[None], variable)
        optimizer.apply_gradients([(tape.gradient(value, variable), variable)])
        return value

    values = [float(step()) for _ in range(60)]
    assert values[-1] < 0.1 * values[0]


# Blends


@every_loss
def test_blend_is_fitted_to_the_mixture(loss):
    other = random_features(5, 7, 6, 2)
    mixture = np.concatenate([STYLE, other, other, other])
    value = blended(loss, IMAGE, [STYLE, other], [0.25, 0.75])
    assert value == pytest.approx(expected(loss, IMAGE, mixture), rel=1e-10)


# Bad arguments


@pytest.mark.parametrize("alpha", [0, 1, 1.5, -1, float("nan"), "0.5", None, True])
def test_bad_alpha_is_named_with_what_is_expected(alpha):
    with pytest.raises(InputError, match=r"alpha is .*; expected a number"):
        GaussianRenyiLoss(alpha)


def test_alpha_of_one_is_sent_to_kl():
    with pytest.raises(InputError, match="above 0 and below 1; for 1 take GaussianKLLoss"):
        GaussianRenyiLoss(1)


@pytest.mark.parametrize("loss", [GaussianKLLoss, GaussianRenyiLoss])
@pytest.mark.parametrize("epsilon", [0, 1e-5, -1, float("inf"), "1e-3", None])
def test_bad_epsilon_is_named_with_what_is_expected(loss, epsilon):
    with pytest.raises(InputError, match=r"epsilon is .*; expected a number of at least 0\.0001"):
        loss(epsilon=epsilon)
