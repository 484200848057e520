"""Divergences of Gaussians against closed forms written otherwise, sampling and quadrature, and what they promise."""

import numpy as np
import pytest
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


def distance(loss: GaussianLoss, image: np.ndarray, style: np.ndarray) -> float:
    """Distance of single feature maps (H, W, N), in their own dtype."""
    values = loss.distance(loss.statistics(tf.constant(style[None])), loss.statistics(tf.constant(image[None])))
    assert values.shape == (1,)
    assert values.dtype == image.dtype
    return float(values[0])


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
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 7, 6), (2, 2, 32), (1, 1, 8), (24, 24, 64)])
def test_distance_from_itself_is_zero(loss, shape, dtype):
    features = random_features(*shape).astype(dtype)
    assert abs(distance(loss, features, features)) < 1e-11


@every_loss
def test_unit_of_the_features_does_not_matter(loss):
    for unit in (1e-6, 255.0, 1e6):
        value = distance(loss, unit * IMAGE, unit * STYLE)
        assert value == pytest.approx(distance(loss, IMAGE, STYLE), rel=1e-9)


@every_loss
def test_it_does_not_see_where_features_are(loss):
    shuffled = np.random.default_rng(3).permutation(LARGER_STYLE.reshape(-1, 6)).reshape(8, 9, 6)
    assert distance(loss, IMAGE, shuffled) == pytest.approx(distance(loss, IMAGE, LARGER_STYLE), rel=1e-10)


@every_loss
def test_statistics_of_two_halves_add_up(loss):
    parts = (LARGER_STYLE, LARGER_STYLE[:4], LARGER_STYLE[4:])
    whole, top, bottom = (loss.statistics(tf.constant(part[None])) for part in parts)
    summed = {key: top[key] + bottom[key] for key in whole}
    for key in whole:
        np.testing.assert_allclose(summed[key], whole[key], rtol=1e-12)
    value = loss.distance(summed, loss.statistics(tf.constant(IMAGE[None])))
    assert float(value[0]) == pytest.approx(expected(loss, IMAGE, LARGER_STYLE), rel=1e-10)


def test_products_are_sums_over_positions():
    statistics = GaussianKLLoss().statistics(tf.constant(IMAGE[None]))
    np.testing.assert_allclose(statistics["products"][0], np.einsum("hwi,hwj->ij", IMAGE, IMAGE), rtol=1e-12)
    np.testing.assert_allclose(statistics["sum"][0], IMAGE.sum(axis=(0, 1)), rtol=1e-12)
    assert statistics["count"].numpy() == [35]


@every_loss
def test_mask_of_ones_is_no_mask(loss):
    features = tf.constant(IMAGE[None])
    masked, plain = loss.statistics(features, tf.ones([1, 5, 7])), loss.statistics(features)
    for key in plain:
        np.testing.assert_array_equal(masked[key], plain[key])


@every_loss
def test_mask_of_zeros_and_ones_keeps_the_positions_inside(loss):
    mask = np.random.default_rng(4).random((9, 8)) < 0.4
    masked = loss.statistics(tf.constant(LARGER_STYLE[None]), tf.constant(mask[None].astype(np.float32)))
    value = loss.distance(masked, loss.statistics(tf.constant(IMAGE[None])))
    assert float(value[0]) == pytest.approx(expected(loss, IMAGE, LARGER_STYLE[mask][None]), rel=1e-10)


@every_loss
def test_distance_of_a_batch_is_one_value_per_sample(loss):
    images = np.stack([random_features(4, 5, 6, seed) for seed in (0, 1, 2)])
    values = loss.distance(loss.statistics(tf.constant(STYLE[None])), loss.statistics(tf.constant(images)))
    np.testing.assert_allclose(values, [expected(loss, image, STYLE) for image in images], rtol=1e-10)


@every_loss
def test_graph_of_unknown_size_agrees(loss):
    graph = tf.function(loss, input_signature=[tf.TensorSpec([None, None, None, 6], tf.float32)] * 2)
    style, image = LARGER_STYLE[None].astype(np.float32), IMAGE[None].astype(np.float32)
    np.testing.assert_allclose(graph(style, image), loss(style, image), rtol=1e-5)


def test_float32_keeps_a_small_spread_around_a_large_mean_over_many_positions():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(16, 16))
    image, style = ((20 + rng.normal(size=(128, 128, 16)) @ mixing).astype(np.float32) for _ in range(2))
    for loss in (GaussianKLLoss(1e-4), GaussianRenyiLoss(0.5, 1e-4)):
        assert distance(loss, image, 2 * style) == pytest.approx(expected(loss, image, 2 * style), rel=1e-3)


# Gradients


@every_loss
@pytest.mark.parametrize("masked", [False, True], ids=["all positions", "masked"])
def test_gradient_is_that_of_central_differences(loss, masked):
    image, style = random_features(4, 3, 3), random_features(4, 3, 3, 1)
    mask = tf.constant(np.random.default_rng(5).random((1, 4, 3))) if masked else None
    aim, variable = loss.statistics(tf.constant(style[None])), tf.Variable(image[None])
    with tf.GradientTape() as tape:
        value = loss.distance(aim, loss.statistics(variable, mask))

    def numeric(point: np.ndarray) -> float:
        return float(loss.distance(aim, loss.statistics(tf.constant(point[None]), mask))[0])

    wanted = gradients.gradient(numeric if masked else lambda point: expected(loss, point, style), image, h=1e-5)
    np.testing.assert_allclose(tape.gradient(value, variable)[0], wanted, rtol=1e-6, atol=1e-8)


@every_loss
def test_gradient_for_the_style_is_that_of_central_differences(loss):
    images = np.stack([random_features(4, 3, 3), random_features(4, 3, 3, 2)])
    style = random_features(4, 3, 3, 1)
    variable = tf.Variable(style[None])
    with tf.GradientTape() as tape:
        values = loss.distance(loss.statistics(variable), loss.statistics(tf.constant(images)))
        total = tf.reduce_sum(values * tf.constant([1.0, 3.0], tf.float64))
    wanted = gradients.gradient(
        lambda point: expected(loss, images[0], point) + 3 * expected(loss, images[1], point), style, h=1e-5
    )
    np.testing.assert_allclose(tape.gradient(total, variable)[0], wanted, rtol=1e-6, atol=1e-8)


@every_loss
def test_gradient_with_fewer_positions_than_filters_is_that_of_central_differences(loss):
    image, style = random_features(2, 2, 6), random_features(1, 3, 6, 1)
    aim, variable = loss.statistics(tf.constant(style[None])), tf.Variable(image[None])
    with tf.GradientTape() as tape:
        value = loss.distance(aim, loss.statistics(variable))
    wanted = gradients.gradient(lambda point: expected(loss, point, style), image, h=1e-5)
    np.testing.assert_allclose(tape.gradient(value, variable)[0], wanted, rtol=1e-5, atol=1e-7)


FLAT = {
    "dead": np.zeros((4, 4, 3)),
    "constant": np.full((4, 4, 3), 2.5),
    "one position": np.array([0.0, 1.0, 2.0]).reshape(1, 1, 3),
    "one dead filter": random_features(4, 4, 3) * [0.0, 1.0, 1.0],
    "spread": random_features(4, 4, 3, 1),
}


@every_loss
@pytest.mark.parametrize("image", FLAT)
@pytest.mark.parametrize("style", FLAT)
def test_value_and_gradient_are_finite_on_flat_features(loss, image, style):
    variable = tf.Variable(FLAT[image][None], dtype=tf.float32)
    with tf.GradientTape() as tape:
        value = loss(tf.constant(FLAT[style][None], tf.float32), variable)
    assert np.isfinite(tape.gradient(value, variable)).all()
    if image == style:
        assert abs(value) < 1e-6
    else:
        assert 0 < value < np.inf


@pytest.mark.parametrize("loss", [GaussianKLLoss(1e-4), GaussianRenyiLoss(0.5, 1e-4)], ids=["kl", "renyi"])
@pytest.mark.parametrize("side", [1, 2, 32])
def test_smallest_epsilon_is_enough_for_float32_with_512_constant_filters(loss, side):
    levels = np.abs(np.random.default_rng(0).normal(0, 100, 512)).astype(np.float32)
    image, style = (np.broadcast_to(factor * levels, (side, side, 512)).astype(np.float32) for factor in (1, 1.1))
    assert distance(loss, image, style) == pytest.approx(expected(loss, image, style), rel=0.01)


def test_descent_reaches_the_style():
    variable = tf.Variable(IMAGE[None])
    loss, optimizer = GaussianKLLoss(dtype="float64"), keras.optimizers.Adam(0.1)
    values = []
    for _ in range(60):
        with tf.GradientTape() as tape:
            value = loss(STYLE[None], variable)
        optimizer.apply_gradients([(tape.gradient(value, variable), variable)])
        values.append(float(value))
    assert values[-1] < 0.1 * values[0]


# Magnitude and blends


@every_loss
def test_magnitude_is_one_since_divergences_have_no_unit(loss):
    features = tf.constant(np.stack([IMAGE, STYLE]), tf.float32)
    magnitude = loss.magnitude(loss.statistics(features))
    assert magnitude.dtype == tf.float32
    np.testing.assert_array_equal(magnitude, [1, 1])


@every_loss
def test_blend_is_fitted_to_the_mixture(loss):
    other = random_features(5, 7, 6, 2)
    blended = loss.blend([loss.statistics(tf.constant(style[None])) for style in (STYLE, other)], [0.25, 0.75])
    value = loss.distance(blended, loss.statistics(tf.constant(IMAGE[None])))
    mixture = np.concatenate([STYLE, other, other, other])
    assert float(value[0]) == pytest.approx(expected(loss, IMAGE, mixture), rel=1e-10)


# As Keras losses


@every_loss
def test_serialization_keeps_every_setting(loss):
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(restored) is type(loss)
    assert restored.get_config() == loss.get_config()
    assert distance(restored, IMAGE, STYLE) == distance(loss, IMAGE, STYLE)


def test_configuration_holds_every_argument():
    config = GaussianRenyiLoss(0.3, 0.2, name="between", reduction="sum").get_config()
    wanted = {"alpha": 0.3, "epsilon": 0.2, "name": "between", "reduction": "sum"}
    assert {key: config[key] for key in wanted} == wanted
    assert GaussianKLLoss(0.2).get_config()["epsilon"] == 0.2


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
