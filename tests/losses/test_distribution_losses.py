"""Jensen-Shannon and total variation distance against SciPy and sums written out, on histograms of triangles."""

import math

import numpy as np
import pytest
from feature_maps import blended, distance, distances_from, gradient, random_features
from oracles import gradients
from scipy.spatial.distance import jensenshannon

from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf
from keras_style.losses.feature_loss import FeatureLoss
from keras_style.losses.jensen_shannon import JensenShannonLoss
from keras_style.losses.total_variation_distance import TotalVariationDistanceLoss

LOSSES = [JensenShannonLoss, TotalVariationDistanceLoss]
every_loss = pytest.mark.parametrize("kind", LOSSES)
BOUNDS = {JensenShannonLoss: math.log(2), TotalVariationDistanceLoss: 1.0}


IMAGE, STYLE, LARGER_STYLE = random_features(5, 7, 6), random_features(5, 7, 6, 1), random_features(9, 8, 6, 2)


def histogram(values: np.ndarray, weights: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """Shares of values (M,) at bin centers: what each adds to each, summed."""
    centers = np.linspace(low, high, bins)
    triangles = np.maximum(1 - np.abs(values[:, None] - centers) / (centers[1] - centers[0]), 0)
    return weights @ triangles / weights.sum()


def between(kind: type[FeatureLoss], p: np.ndarray, q: np.ndarray) -> float:
    return float(jensenshannon(p, q) ** 2 if kind is JensenShannonLoss else 0.5 * np.abs(p - q).sum())


def expected(
    kind: type[FeatureLoss],
    image: np.ndarray,
    style: np.ndarray,
    bins: int,
    image_mask: np.ndarray | None = None,
    style_mask: np.ndarray | None = None,
) -> float:
    """The loss of feature maps (H, W, C), channel by channel."""
    values = []
    for channel in range(image.shape[-1]):
        sides = []
        for features, mask in ((image, image_mask), (style, style_mask)):
            flat = features[..., channel].astype(np.float64).ravel()
            weights = np.ones(flat.size) if mask is None else mask.ravel()
            sides.append((flat[weights > 0], weights[weights > 0]))
        low, high = (end(end(flat) for flat, _ in sides) for end in (min, max))
        p, q = (histogram(flat, weights, low, high, bins) for flat, weights in sides)
        values.append(between(kind, p, q))
    return float(np.mean(values))


# Against other computations


@every_loss
@pytest.mark.parametrize("bins", [2, 5, 64])
@pytest.mark.parametrize("style", [STYLE, LARGER_STYLE], ids=["equal size", "different size"])
def test_loss_is_that_of_histograms_of_triangles(kind, bins, style):
    wanted = expected(kind, IMAGE, style, bins)
    assert distance(kind(bins), IMAGE, style) == pytest.approx(wanted, rel=1e-6)
    single = kind(bins)(style[None].astype(np.float32), IMAGE[None].astype(np.float32))
    assert float(single) == pytest.approx(wanted, rel=1e-5)


@every_loss
def test_mask_weighs_positions(kind):
    masks = [np.random.default_rng(seed).random(size) for seed, size in ((0, (5, 7)), (1, (9, 8)))]
    wanted = expected(kind, IMAGE, LARGER_STYLE, 16, *masks)
    assert distance(kind(16), IMAGE, LARGER_STYLE, *masks) == pytest.approx(wanted, rel=1e-6)


@every_loss
@pytest.mark.parametrize(("shares", "sizes"), [((0.25, 0.75), (35, 72)), ((1.0, 0.0), (35, 72))])
def test_blend_is_the_mixture_of_the_distributions(kind, shares, sizes):
    value = blended(kind(16), IMAGE, [STYLE, LARGER_STYLE], shares)
    mixture = np.concatenate([STYLE.reshape(-1, 6), LARGER_STYLE.reshape(-1, 6)])[None]
    weights = np.repeat(np.divide(shares, sizes), sizes)[None]
    assert value == pytest.approx(expected(kind, IMAGE, mixture, 16, None, weights), rel=1e-6)


@every_loss
def test_gradient_is_that_of_central_differences(kind):
    image, style = random_features(8, 5, 2), random_features(8, 5, 2, 1)
    image += np.random.default_rng(2).uniform(0.1, 0.4, image.shape)  # no value at a center, where there is a kink
    style[0, 0], style[0, 1] = 0, image.max() + 1  # the ends of the range, which is constant in the gradient
    mask = np.random.default_rng(3).uniform(0.2, 1, (8, 5))
    loss = kind(5)
    got = gradient(loss, image, style, mask)
    one_by_one = gradients.one_by_one(lambda point: expected(kind, point, style, 5, mask))
    np.testing.assert_allclose(got, gradients.gradient(one_by_one, image, h=1e-5), rtol=1e-6, atol=1e-8)
    own = gradients.gradient(distances_from(loss, style, mask), image, h=1e-5)
    np.testing.assert_allclose(got, own, rtol=1e-6, atol=1e-8)


# Bounds and invariance


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bins", [2, 64])
def test_disjoint_distributions_are_at_the_bound(kind, bins, dtype):
    low, high = np.full((4, 5, 3), 0.3, dtype), np.full((2, 2, 3), 0.4, dtype)
    assert distance(kind(bins), low, high) == pytest.approx(BOUNDS[kind], rel=1e-7)
    assert distance(kind(bins), low[:1, :1], high[:1, :1]) == pytest.approx(BOUNDS[kind], rel=1e-7)


@every_loss
def test_loss_is_positive_and_below_its_bound(kind):
    for seed in range(5):
        value = distance(kind(), random_features(3, 3, 2, seed), random_features(4, 3, 2, seed + 5))
        assert 0 < value < BOUNDS[kind]


@every_loss
def test_loss_is_symmetric(kind):
    there, back = distance(kind(), IMAGE, LARGER_STYLE), distance(kind(), LARGER_STYLE, IMAGE)
    assert there == pytest.approx(back, rel=1e-9)


@every_loss
def test_loss_does_not_see_the_unit_of_features(kind):
    loss = kind()
    assert distance(loss, 8 * IMAGE - 3, 8 * STYLE - 3) == pytest.approx(distance(loss, IMAGE, STYLE), rel=1e-9)
    magnitude = loss.magnitude(loss.statistics(tf.constant(STYLE[None])))
    np.testing.assert_array_equal(magnitude, [1])


# Awkward features


@every_loss
def test_dead_channel_is_drawn_to_where_the_target_is(kind):
    variable = tf.Variable(np.zeros((1, 4, 4, 1)))  # all at one center, and the bins next to it empty
    with tf.GradientTape() as tape:
        value = kind()(random_features(4, 4, 1)[None], variable)
    assert (tape.gradient(value, variable).numpy() < 0).all()


@every_loss
def test_what_is_not_finite_is_not_hidden(kind):
    broken = np.repeat(IMAGE[None].astype(np.float32), 3, axis=0)
    broken[:, 2, 3, 1] = np.nan, np.inf, -np.inf
    sound = np.repeat(STYLE[None].astype(np.float32), 3, axis=0)
    loss = kind()
    for sides in ((broken, sound), (sound, broken)):
        assert np.isnan(loss.distance(*(loss.statistics(tf.constant(side)) for side in sides))).all()


# As graphs


@every_loss
def test_equal_bits_every_time(kind):
    loss = kind()
    aim = loss.statistics(tf.constant(random_features(64, 64, 4, 1)[None], tf.float32))
    image = tf.constant(random_features(64, 64, 4)[None], tf.float32)

    @tf.function
    def value_and_gradient() -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = loss.distance(aim, loss.statistics(image))
        return value, tape.gradient(value, image)

    first = [each.numpy() for each in value_and_gradient()]
    for _ in range(3):
        for again, before in zip(value_and_gradient(), first, strict=True):
            np.testing.assert_array_equal(again, before)


@every_loss
@pytest.mark.parametrize("bins", [1, 5000, 2.5, "64", None, True])
def test_bad_number_of_bins_is_named_with_what_is_expected(kind, bins):
    with pytest.raises(InputError) as caught:
        kind(bins)
    assert f"bins is {bins!r}; expected a whole number from 2 to 4096" in str(caught.value)
