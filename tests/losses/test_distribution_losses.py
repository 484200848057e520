"""Jensen-Shannon and total variation distance against SciPy and sums written out, on histograms of triangles."""

import math

import numpy as np
import pytest
from oracles import gradients
from scipy.spatial.distance import jensenshannon

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses.feature_loss import FeatureLoss
from keras_style.losses.jensen_shannon import JensenShannonLoss
from keras_style.losses.total_variation_distance import TotalVariationDistanceLoss

LOSSES = [JensenShannonLoss, TotalVariationDistanceLoss]
every_loss = pytest.mark.parametrize("kind", LOSSES)
BOUNDS = {JensenShannonLoss: math.log(2), TotalVariationDistanceLoss: 1.0}


def random_features(height: int, width: int, filters: int, seed: int = 0) -> np.ndarray:
    """Like activations: many zeros, the rest of any size."""
    return np.random.default_rng(seed).normal(0.3, 2, (height, width, filters)).clip(0)


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


def distance(
    loss: FeatureLoss,
    image: np.ndarray,
    target: np.ndarray,
    image_mask: np.ndarray | None = None,
    target_mask: np.ndarray | None = None,
) -> float:
    """Distance of single feature maps (H, W, C), in their own dtype."""
    aim, current = (
        loss.statistics(tf.constant(features[None]), None if mask is None else tf.constant(mask[None]))
        for features, mask in ((target, target_mask), (image, image_mask))
    )
    values = loss.distance(aim, current)
    assert values.shape == (1,)
    assert values.dtype == image.dtype
    return float(values[0])


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
    loss = kind(16)
    blended = loss.blend([loss.statistics(tf.constant(style[None])) for style in (STYLE, LARGER_STYLE)], shares)
    value = loss.distance(blended, loss.statistics(tf.constant(IMAGE[None])))
    mixture = np.concatenate([STYLE.reshape(-1, 6), LARGER_STYLE.reshape(-1, 6)])[None]
    weights = np.repeat(np.divide(shares, sizes), sizes)[None]
    assert float(value[0]) == pytest.approx(expected(kind, IMAGE, mixture, 16, None, weights), rel=1e-6)


@every_loss
def test_gradient_is_that_of_central_differences(kind):
    image, style = random_features(8, 5, 2), random_features(8, 5, 2, 1)
    image += np.random.default_rng(2).uniform(0.1, 0.4, image.shape)  # no value at a center, where there is a kink
    style[0, 0], style[0, 1] = 0, image.max() + 1  # the ends of the range, which is constant in the gradient
    mask = np.random.default_rng(3).uniform(0.2, 1, (8, 5))
    loss = kind(5)
    variable = tf.Variable(image[None])
    with tf.GradientTape() as tape:
        current = loss.statistics(variable, tf.constant(mask[None]))
        value = loss.distance(loss.statistics(tf.constant(style[None])), current)
    gradient = tape.gradient(value, variable)[0]
    by_oracle = gradients.gradient(lambda point: expected(kind, point, style, 5, mask), image, h=1e-5)
    np.testing.assert_allclose(gradient, by_oracle, rtol=1e-6, atol=1e-8)
    own = gradients.gradient(lambda point: distance(loss, point, style, mask), image, h=1e-5)
    np.testing.assert_allclose(gradient, own, rtol=1e-6, atol=1e-8)


# Bounds and invariance


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "features",
    [IMAGE, IMAGE - 1e3, np.full((3, 3, 2), 0.7), np.zeros((3, 3, 2)), IMAGE[:1, :1], IMAGE[:1, :2], 1e-6 * IMAGE],
    ids=["random", "far from zero", "constant", "zero", "one position", "two positions", "small"],
)
def test_distance_from_itself_is_zero(kind, features, dtype):
    features = features.astype(dtype)
    assert distance(kind(), features, features) == pytest.approx(0, abs=1e-9)


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
def test_loss_does_not_see_where_features_are(kind):
    shuffled = np.random.default_rng(3).permutation(LARGER_STYLE.reshape(-1, 6)).reshape(8, 9, 6)
    loss = kind()
    assert distance(loss, IMAGE, shuffled) == pytest.approx(distance(loss, IMAGE, LARGER_STYLE), rel=1e-9)
    assert distance(loss, shuffled, IMAGE) == distance(loss, LARGER_STYLE, IMAGE)


@every_loss
def test_loss_does_not_see_the_unit_of_features(kind):
    loss = kind()
    assert distance(loss, 8 * IMAGE - 3, 8 * STYLE - 3) == pytest.approx(distance(loss, IMAGE, STYLE), rel=1e-9)
    magnitude = loss.magnitude(loss.statistics(tf.constant(STYLE[None])))
    np.testing.assert_array_equal(magnitude, [1])


@every_loss
def test_mask_of_ones_is_as_good_as_none(kind):
    masks = np.ones((5, 7)), np.ones((9, 8))
    assert distance(kind(), IMAGE, LARGER_STYLE, *masks) == distance(kind(), IMAGE, LARGER_STYLE)


@every_loss
def test_mask_of_zeros_and_ones_leaves_the_positions_inside(kind):
    image, style = IMAGE.copy(), LARGER_STYLE.copy()
    image[:2], style[:, 5:] = 1e3, -1e3
    masks = np.ones((5, 7)), np.ones((9, 8))
    masks[0][:2], masks[1][:, 5:] = 0, 0
    inside = distance(kind(), image[2:], style[:, :5])
    assert distance(kind(), image, style, *masks) == pytest.approx(inside, rel=1e-9)


@every_loss
def test_one_mask_serves_a_batch(kind):
    loss, mask = kind(8), np.random.default_rng(0).random((1, 5, 7))
    images = tf.constant(np.stack([IMAGE, STYLE]))
    aim = loss.statistics(tf.constant(LARGER_STYLE[None]))
    values = loss.distance(aim, loss.statistics(images, tf.constant(mask)))
    one_by_one = [distance(loss, image, LARGER_STYLE, mask[0]) for image in (IMAGE, STYLE)]
    np.testing.assert_allclose(values, one_by_one, rtol=1e-12)


# Awkward features


@every_loss
@pytest.mark.parametrize("target", [np.zeros((4, 4, 3)), random_features(4, 4, 3)], ids=["from zero", "from random"])
@pytest.mark.parametrize(
    "features",
    [np.zeros((4, 4, 3)), np.full((4, 4, 3), 2.5), np.ones((1, 1, 3)), np.full((4, 4, 3), 1e-40)],
    ids=["zero", "constant", "one position", "subnormal"],
)
def test_value_and_gradient_are_finite_on_flat_features(kind, target, features):
    variable = tf.Variable(features[None], dtype=tf.float32)
    with tf.GradientTape() as tape:
        value = kind()(target[None].astype(np.float32), variable)
    assert -1e-12 <= value <= BOUNDS[kind] * (1 + 1e-6)
    assert np.isfinite(tape.gradient(value, variable)).all()


@every_loss
def test_dead_channel_is_drawn_to_where_the_target_is(kind):
    variable = tf.Variable(np.zeros((1, 4, 4, 1)))  # all at one center, and the bins next to it empty
    with tf.GradientTape() as tape:
        value = kind()(random_features(4, 4, 1)[None], variable)
    assert (tape.gradient(value, variable).numpy() < 0).all()


@every_loss
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["image", "target"])
def test_what_is_not_finite_is_not_hidden(kind, bad, side):
    broken = IMAGE.astype(np.float32)
    broken[2, 3, 1] = bad
    image, target = (broken, IMAGE.astype(np.float32)) if side == "image" else (IMAGE.astype(np.float32), broken)
    assert np.isnan(distance(kind(), image, target))


# As graphs and as Keras losses


@every_loss
def test_batch_is_one_value_per_sample(kind):
    loss = kind(8)
    images = np.stack([random_features(4, 5, 3, seed) for seed in (0, 1, 2)])
    targets = np.stack([random_features(4, 5, 3, seed) for seed in (3, 4, 5)])
    values = loss.distance(*(loss.statistics(tf.constant(each)) for each in (targets, images)))
    pairs = list(zip(images, targets, strict=True))
    np.testing.assert_allclose(values, [distance(loss, image, target) for image, target in pairs], rtol=1e-12)
    values = loss.distance(*(loss.statistics(tf.constant(each)) for each in (targets[:1], images)))
    np.testing.assert_allclose(values, [distance(loss, image, targets[0]) for image in images], rtol=1e-12)


@every_loss
def test_eager_and_graph_of_unknown_size_agree(kind):
    loss = kind()

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 6], tf.float32)] * 2)
    def graph(target: tf.Tensor, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return both(target, image)

    def both(target: tf.Tensor, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = loss(target, image)
        gradient = tape.gradient(value, image)
        return value, gradient

    for style in (STYLE, LARGER_STYLE):
        target, image = tf.constant(style[None], tf.float32), tf.constant(IMAGE[None], tf.float32)
        for of_graph, eager in zip(graph(target, image), both(target, image), strict=True):
            np.testing.assert_allclose(of_graph, eager, rtol=1e-5, atol=1e-8)


@every_loss
def test_equal_bits_every_time(kind):
    loss = kind()
    aim = loss.statistics(tf.constant(random_features(64, 64, 16, 1)[None], tf.float32))
    image = tf.constant(random_features(64, 64, 16)[None], tf.float32)

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
def test_serialization_keeps_every_setting(kind):
    loss = kind(17, reduction="sum")
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(restored) is kind
    assert restored.get_config() == loss.get_config()
    assert (restored.bins, restored.reduction) == (17, "sum")
    assert distance(restored, IMAGE, STYLE) == distance(loss, IMAGE, STYLE)


@every_loss
@pytest.mark.parametrize("bins", [1, 5000, 2.5, "64", None, True])
def test_bad_number_of_bins_is_named_with_what_is_expected(kind, bins):
    with pytest.raises(InputError) as caught:
        kind(bins)
    assert f"bins is {bins!r}; expected a whole number from 2 to 4096" in str(caught.value)
