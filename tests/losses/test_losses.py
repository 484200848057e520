"""The losses against sums written out, closed forms, and what each promises: invariance, additivity, gradients."""

import numpy as np
import pytest
from oracles import gradients
from oracles import losses as oracle

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses import (
    ContentLoss,
    FeatureLoss,
    GaussianKLLoss,
    GaussianRenyiLoss,
    GramLoss,
    HistogramLoss,
    JensenShannonLoss,
    MMDLoss,
    MomentsLoss,
    SlicedWassersteinLoss,
    TotalVariationDistanceLoss,
    TotalVariationLoss,
)

GRAM_NORMALIZATIONS = ("paper", "gatys_pytorch", "johnson", "keras_io")
CONTENT_NORMALIZATIONS = ("paper", "mean", "sum")
GRAM_LOSSES = [GramLoss(name) for name in GRAM_NORMALIZATIONS]
CONTENT_LOSSES = [ContentLoss(name) for name in CONTENT_NORMALIZATIONS]
SMOOTH_LOSSES = [  # of distributions, whose gradient is that of their value everywhere
    *GRAM_LOSSES,
    MMDLoss("linear"),
    MMDLoss("poly"),
    MMDLoss("poly", offset=2.0),
    MMDLoss("poly", degree=3),
    MomentsLoss(),
    GaussianKLLoss(),
    GaussianRenyiLoss(),
]
DISTRIBUTION_LOSSES = [
    *SMOOTH_LOSSES,
    MMDLoss("gaussian"),
    HistogramLoss(),
    HistogramLoss(bins=256),
    SlicedWassersteinLoss(power=1),
    SlicedWassersteinLoss(power=2),
    JensenShannonLoss(),
    TotalVariationDistanceLoss(),
]
TOTAL_VARIATIONS = [TotalVariationLoss(exponent) for exponent in (1, 1.25, 2, 3)]
EVERY_LOSS = [*DISTRIBUTION_LOSSES, *CONTENT_LOSSES, *TOTAL_VARIATIONS]


def each_of(losses: list[FeatureLoss]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("loss", losses, ids=lambda loss: "-".join(map(str, settings(loss))))


def settings(loss: FeatureLoss) -> list:
    told_apart_by = ("normalization", "exponent", "bins", "kernel", "degree", "offset", "power")
    return [type(loss).__name__, *(value for key, value in loss.get_config().items() if key in told_apart_by)]


def meets_random_pairs(loss: FeatureLoss) -> bool:
    return isinstance(loss, MMDLoss) and not loss.exact


every_loss = each_of(EVERY_LOSS)
comparing_losses = each_of([*DISTRIBUTION_LOSSES, *CONTENT_LOSSES])
distribution_losses = each_of(DISTRIBUTION_LOSSES)


def random_features(height: int, width: int, filters: int, seed: int = 0) -> np.ndarray:
    """Like activations: many zeros, the rest of any size."""
    return np.random.default_rng(seed).normal(0.3, 2, (height, width, filters)).clip(0)


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
    return float(values[0])


IMAGE, STYLE, LARGER_STYLE = random_features(5, 7, 6), random_features(5, 7, 6, 1), random_features(9, 8, 6, 2)


# Against sums written out


@pytest.mark.parametrize("style", [STYLE, LARGER_STYLE], ids=["equal size", "different size"])
@pytest.mark.parametrize(
    ("normalization", "expected"),
    [
        ("paper", lambda image, style: oracle.mse_of_gram_over_positions(image, style) / 4),
        ("gatys_pytorch", oracle.mse_of_gram_over_positions),
        ("johnson", oracle.mse_of_gram_over_elements),
        ("keras_io", lambda image, style: oracle.mse_of_gram_over_positions(image, style) * image.shape[-1] ** 2 / 36),
    ],
)
def test_gram_loss_is_the_published_one(normalization, expected, style):
    wanted = expected(IMAGE, style)
    assert distance(GramLoss(normalization), IMAGE, style) == pytest.approx(wanted, rel=1e-12)
    single = GramLoss(normalization)(style[None].astype(np.float32), IMAGE[None].astype(np.float32))
    assert float(single) == pytest.approx(wanted, rel=1e-5)


def test_paper_normalization_is_equation_4():
    assert distance(GramLoss("paper"), IMAGE, STYLE) == pytest.approx(oracle.paper_energy(IMAGE, STYLE), rel=1e-12)


def test_keras_normalization_is_that_of_the_example_on_the_first_block():
    expected = oracle.keras_example(IMAGE, STYLE, pixels=5 * 7)
    assert distance(GramLoss("keras_io"), IMAGE, STYLE) == pytest.approx(expected, rel=1e-12)


def test_keras_example_on_a_deeper_block_is_the_normalization_with_a_weight():
    image, style = random_features(4, 4, 6), random_features(4, 4, 6, 1)  # block 3 of 16 x 16 pixels
    expected = oracle.keras_example(image, style, pixels=16 * 16)
    assert 16**-2 * distance(GramLoss("keras_io"), image, style) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("filters", [1, 3, 8])
@pytest.mark.parametrize(
    ("normalization", "multiple"),
    [
        ("paper", lambda n: 1),
        ("gatys_pytorch", lambda n: 4),
        ("johnson", lambda n: 4 / n**2),
        ("keras_io", lambda n: n**2 / 9),
    ],
)
def test_normalizations_are_the_documented_multiples_of_the_energy(normalization, multiple, filters):
    image, style = random_features(3, 4, filters), random_features(3, 4, filters, 1)
    expected = multiple(filters) * oracle.paper_energy(image, style)
    assert distance(GramLoss(normalization), image, style) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("style", [STYLE, LARGER_STYLE], ids=["equal size", "different size"])
def test_gram_loss_is_a_maximum_mean_discrepancy(style):
    expected = oracle.polynomial_mmd(IMAGE, style)
    filters = IMAGE.shape[-1]
    assert 4 * filters**2 * distance(GramLoss("paper"), IMAGE, style) == pytest.approx(expected, rel=1e-11)


def test_gram_of_ones_is_the_number_of_positions():
    statistics = GramLoss().statistics(tf.ones([1, 4, 6, 3]))
    assert (statistics["gram"].numpy() == np.full((1, 3, 3), 24)).all()
    assert statistics["count"].numpy() == [24]


@pytest.mark.parametrize(("normalization", "multiple"), [("paper", 1), ("sum", 2), ("mean", 2 / IMAGE.size)])
def test_content_loss_is_the_published_one(normalization, multiple):
    wanted = multiple * oracle.content(IMAGE, STYLE)
    assert distance(ContentLoss(normalization), IMAGE, STYLE) == pytest.approx(wanted, rel=1e-12)
    single = ContentLoss(normalization)(STYLE[None].astype(np.float32), IMAGE[None].astype(np.float32))
    assert float(single) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("exponent", [1, 1.25, 2, 3])
def test_total_variation_is_the_published_one(exponent):
    image = np.random.default_rng(0).random((6, 9, 3))
    wanted = oracle.total_variation(image, exponent)
    assert distance(TotalVariationLoss(exponent), image, image) == pytest.approx(wanted, rel=1e-9)
    single = image[None].astype(np.float32)
    assert float(TotalVariationLoss(exponent)(single, single)) == pytest.approx(wanted, rel=1e-5)


def test_total_variation_of_a_checkerboard_is_two():
    y, x = np.mgrid[0:12, 0:10]
    board = np.repeat(((x + y) % 2)[..., None], 3, axis=-1).astype(np.float32)
    assert distance(TotalVariationLoss(), board, board) == 2.0


@pytest.mark.parametrize(("axis", "expected"), [("vertical", 0.25), ("horizontal", 0.0625)])
def test_total_variation_of_a_slope_is_its_square(axis, expected):
    y, x = np.mgrid[0:5, 0:8].astype(np.float64)
    slope = np.repeat((0.5 * y if axis == "vertical" else 0.25 * x)[..., None], 3, axis=-1)
    assert distance(TotalVariationLoss(), slope, slope) == pytest.approx(expected, rel=1e-12)


def test_total_variation_ignores_what_it_is_compared_with():
    image, other = IMAGE[None], np.zeros((1, 3, 3, 6))
    loss = TotalVariationLoss(dtype="float64")
    assert float(loss(other, image)) == float(loss(image, image))


# What every loss promises


@comparing_losses
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distance_from_itself_is_zero(loss, dtype):
    image = IMAGE.astype(dtype)
    assert distance(loss, image, image) == pytest.approx(0, abs=1e-9)
    assert meets_random_pairs(loss) or distance(loss, image, STYLE.astype(dtype)) > 0.01


@every_loss
def test_float64_is_computed_in_float64(loss):
    in_double = type(loss).from_config({**loss.get_config(), "dtype": "float64"})
    value = in_double(STYLE[None], IMAGE[None])
    assert value.dtype == tf.float64
    assert float(value) == pytest.approx(distance(loss, IMAGE, STYLE), rel=1e-12)


@every_loss
def test_batch_is_the_mean_over_its_samples(loss):
    images = np.stack([random_features(4, 5, 3, seed) for seed in (0, 1, 2)]).astype(np.float32)
    targets = np.stack([random_features(4, 5, 3, seed) for seed in (3, 4, 5)]).astype(np.float32)
    one_by_one = [float(loss(target[None], image[None])) for target, image in zip(targets, images, strict=True)]
    assert len(set(one_by_one)) == 3
    assert float(loss(targets, images)) == pytest.approx(np.mean(one_by_one), rel=1e-5)


@every_loss
def test_distance_of_a_batch_is_one_value_per_sample(loss):
    images = np.stack([random_features(4, 5, 3, seed) for seed in (0, 1, 2)])
    target = random_features(4, 5, 3, 3)
    values = loss.distance(loss.statistics(tf.constant(target[None])), loss.statistics(tf.constant(images)))
    np.testing.assert_allclose(values, [distance(loss, image, target) for image in images], rtol=1e-12)


@distribution_losses
def test_it_does_not_matter_where_features_are(loss):
    image, style = (np.random.default_rng(3).permutation(f.reshape(-1, 6)).reshape(f.shape) for f in (IMAGE, STYLE))
    larger = np.random.default_rng(4).permutation(LARGER_STYLE.reshape(-1, 6)).reshape(8, 9, 6)
    if not meets_random_pairs(loss):
        assert distance(loss, image, style) == pytest.approx(distance(loss, IMAGE, STYLE), rel=1e-12)
        assert distance(loss, IMAGE, larger) == pytest.approx(distance(loss, IMAGE, LARGER_STYLE), rel=1e-12)
        return
    pairs = (IMAGE, STYLE), (image, style)
    values = [[distance(loss.redrawn(step), *pair) for step in range(150)] for pair in pairs]
    error = np.sqrt(sum(np.var(each) / 150 for each in values))
    assert abs(np.mean(values[0]) - np.mean(values[1])) < 4 * error


@pytest.mark.parametrize("normalization", GRAM_NORMALIZATIONS)
def test_gram_loss_does_not_see_how_often_a_texture_repeats(normalization):
    repeated = np.tile(STYLE, (2, 3, 1))
    loss = GramLoss(normalization)
    assert distance(loss, IMAGE, repeated) == pytest.approx(distance(loss, IMAGE, STYLE), rel=1e-12)


def test_gram_statistics_of_two_halves_add_up():
    loss = GramLoss()
    whole = loss.statistics(tf.constant(LARGER_STYLE[None]))
    halves = [loss.statistics(tf.constant(half[None])) for half in (LARGER_STYLE[:4], LARGER_STYLE[4:])]
    summed = {key: halves[0][key] + halves[1][key] for key in whole}
    np.testing.assert_allclose(summed["gram"], whole["gram"], rtol=1e-12)
    image = loss.statistics(tf.constant(IMAGE[None]))
    np.testing.assert_allclose(loss.distance(summed, image), loss.distance(whole, image), rtol=1e-11)


@pytest.mark.parametrize("exponent", [1, 2])
def test_total_variation_of_two_halves_that_share_a_row_adds_up(exponent):
    loss = TotalVariationLoss(exponent)
    halves = [loss.statistics(tf.constant(half[None])) for half in (LARGER_STYLE[:5], LARGER_STYLE[4:])]
    summed = {key: halves[0][key] + halves[1][key] for key in halves[0]}
    expected = distance(loss, LARGER_STYLE, LARGER_STYLE)
    assert float(loss.distance(None, summed)[0]) == pytest.approx(expected, rel=1e-12)


@every_loss
def test_eager_and_graph_agree(loss):
    target, image = tf.constant(STYLE[None], tf.float32), tf.constant(IMAGE[None], tf.float32)
    np.testing.assert_allclose(tf.function(loss)(target, image), loss(target, image), rtol=1e-6)


def test_losses_work_on_features_whose_size_is_not_known_in_advance():
    signature = [tf.TensorSpec([None, None, None, 6], tf.float32)] * 2
    for loss in EVERY_LOSS:
        graph = tf.function(loss, input_signature=signature)
        target, image = STYLE[None].astype(np.float32), IMAGE[None].astype(np.float32)
        np.testing.assert_allclose(graph(target, image), loss(target, image), rtol=1e-6)


@each_of([*SMOOTH_LOSSES, *CONTENT_LOSSES, *TOTAL_VARIATIONS])
def test_gradient_is_that_of_central_differences(loss):
    """Those that hold something constant, such as a map or a range, have tests of their own."""
    image, target = random_features(4, 3, 2), random_features(4, 3, 2, 1)
    variable = tf.Variable(image[None])
    aim = loss.statistics(tf.constant(target[None]))
    with tf.GradientTape() as tape:
        value = loss.distance(aim, loss.statistics(variable))
    expected = gradients.gradient(lambda point: distance(loss, point, target), image, h=1e-5)
    np.testing.assert_allclose(tape.gradient(value, variable)[0], expected, rtol=1e-6, atol=1e-8)


@every_loss
@pytest.mark.parametrize("features", [np.zeros((4, 4, 3)), np.full((4, 4, 3), 2.5)], ids=["zero", "constant"])
def test_value_and_gradient_are_finite_on_flat_features(loss, features):
    variable = tf.Variable(features[None], dtype=tf.float32)
    with tf.GradientTape() as tape:
        value = loss(tf.zeros_like(variable), variable)
    assert np.isfinite(value)
    assert np.isfinite(tape.gradient(value, variable)).all()


@comparing_losses
def test_value_and_gradient_are_finite_on_a_single_position(loss):
    variable = tf.Variable([[[[0.0, 1.0, 2.0]]]])
    with tf.GradientTape() as tape:
        value = loss(tf.ones_like(variable), variable)
    assert 0 < value < np.inf
    assert np.isfinite(tape.gradient(value, variable)).all()


# Masks


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mask_of_ones_is_no_mask(loss, dtype):
    image, style, ones = IMAGE.astype(dtype), STYLE.astype(dtype), np.ones((5, 7), np.float32)
    rounding = 1e-5 if dtype == np.float32 else 1e-12
    assert distance(loss, image, style, ones, ones) == pytest.approx(distance(loss, image, style), rel=rounding)


@distribution_losses
def test_mask_of_zeros_and_ones_keeps_the_positions_inside(loss):
    inside, inside_style = (np.random.default_rng(seed).random((5, 7)) < 0.5 for seed in (5, 6))
    expected = distance(loss, IMAGE[inside][None], STYLE[inside_style][None])
    masks = inside.astype(np.float64), inside_style.astype(np.float64)
    assert distance(loss, IMAGE, STYLE, *masks) == pytest.approx(expected, rel=1e-10)
    outside = IMAGE + 100 * ~inside[..., None]
    assert distance(loss, outside, STYLE, *masks) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("normalization", CONTENT_NORMALIZATIONS)
def test_content_under_a_mask_is_that_of_the_positions_inside(normalization):
    inside = np.random.default_rng(5).random((5, 7)) < 0.5
    mask, loss = inside.astype(np.float64), ContentLoss(normalization)
    expected = distance(loss, IMAGE[inside][None], STYLE[inside][None])
    assert distance(loss, IMAGE, STYLE, mask, mask) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("exponent", [1, 2])
def test_total_variation_under_a_mask_is_the_mean_over_the_positions_inside(exponent):
    mask = np.zeros((8, 9))
    mask[2:6, 1:5] = 1
    image = np.random.default_rng(0).random((8, 9, 3))
    expected = oracle.total_variation(image[2:7, 1:6], exponent)  # with the neighbors of the last row and column
    got = distance(TotalVariationLoss(exponent), image, image, mask)
    assert got == pytest.approx(expected, rel=1e-9)


@distribution_losses
def test_weight_of_a_half_counts_a_vector_half(loss):
    doubled = np.concatenate([np.repeat(STYLE[:2], 2, axis=1).reshape(4, 7, 6), STYLE[2:]])
    mask = np.ones((7, 7))
    mask[:4] = 0.5
    expected = distance(loss, IMAGE, STYLE)
    assert distance(loss, IMAGE, doubled, None, mask) == pytest.approx(expected, rel=1e-10)
    halves = np.full((5, 7), 0.5)
    if not isinstance(loss, MMDLoss | HistogramLoss | SlicedWassersteinLoss) or getattr(loss, "exact", False):
        assert distance(loss, IMAGE, STYLE, halves, halves) == pytest.approx(expected, rel=1e-10)


@distribution_losses
def test_gradient_stays_within_the_mask(loss):
    mask = np.zeros((5, 7))
    mask[1:4, 2:6] = 1
    variable = tf.Variable(IMAGE[None])
    with tf.GradientTape() as tape:
        value = loss.distance(
            loss.statistics(tf.constant(STYLE[None])), loss.statistics(variable, tf.constant(mask[None]))
        )
    gradient = tape.gradient(value, variable).numpy()[0]
    assert np.abs(gradient[mask == 0]).max() == 0
    assert np.abs(gradient[mask == 1]).max() > 0


@every_loss
def test_a_region_of_one_position_is_finite(loss):
    mask = np.zeros((5, 7), np.float32)
    mask[2, 3] = 0.3
    variable = tf.Variable(IMAGE[None].astype(np.float32))
    aim = loss.statistics(tf.constant(STYLE[None].astype(np.float32)), mask[None])
    with tf.GradientTape() as tape:
        value = loss.distance(aim, loss.statistics(variable, mask[None]))
    assert np.isfinite(value).all()
    assert np.isfinite(tape.gradient(value, variable)).all()


# Magnitude and blends


@pytest.mark.parametrize("normalization", GRAM_NORMALIZATIONS)
def test_magnitude_of_a_style_is_its_distance_from_features_of_zero(normalization):
    loss = GramLoss(normalization)
    magnitude = loss.magnitude(loss.statistics(tf.constant(STYLE[None])))
    assert float(magnitude[0]) == pytest.approx(distance(loss, np.zeros((2, 2, 6)), STYLE), rel=1e-12)


@pytest.mark.parametrize("normalization", CONTENT_NORMALIZATIONS)
def test_magnitude_of_a_content_is_its_distance_from_features_of_zero(normalization):
    loss = ContentLoss(normalization)
    magnitude = loss.magnitude(loss.statistics(tf.constant(STYLE[None])))
    assert float(magnitude[0]) == pytest.approx(distance(loss, np.zeros_like(STYLE), STYLE), rel=1e-12)


def test_blend_is_the_weighted_mean_of_grams_per_position():
    loss = GramLoss("gatys_pytorch")
    blended = loss.blend([loss.statistics(tf.constant(style[None])) for style in (STYLE, LARGER_STYLE)], [0.25, 0.75])
    mean = 0.25 * oracle.gram(STYLE) / 35 + 0.75 * oracle.gram(LARGER_STYLE) / 72
    expected = ((oracle.gram(IMAGE) / 35 - mean) ** 2).mean()
    value = loss.distance(blended, loss.statistics(tf.constant(IMAGE[None])))
    assert float(value[0]) == pytest.approx(expected, rel=1e-12)


def test_blend_of_a_style_with_itself_is_that_style():
    loss = GramLoss()
    statistics = loss.statistics(tf.constant(STYLE[None]))
    value = loss.distance(loss.blend([statistics, statistics], [0.3, 0.7]), loss.statistics(tf.constant(IMAGE[None])))
    assert float(value[0]) == pytest.approx(distance(loss, IMAGE, STYLE), rel=1e-12)


# As Keras losses


@every_loss
def test_serialization_keeps_every_setting(loss):
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(restored) is type(loss)
    assert restored.get_config() == loss.get_config()
    assert distance(restored, IMAGE, STYLE) == distance(loss, IMAGE, STYLE)


def test_configuration_holds_every_argument():
    config = TotalVariationLoss(1.5, name="speckle", reduction="sum").get_config()
    assert (config["exponent"], config["name"], config["reduction"]) == (1.5, "speckle", "sum")
    assert GramLoss("johnson").get_config()["normalization"] == "johnson"
    assert ContentLoss("sum").get_config()["normalization"] == "sum"


def test_compiled_model_is_saved_and_loaded_with_its_loss(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 3, padding="same")])
    model.compile("sgd", loss=GramLoss("johnson"))
    images, targets = np.random.default_rng(0).random((2, 2, 4, 4, 3)).astype(np.float32)
    targets = targets[..., :2]
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(restored.loss, GramLoss)
    assert restored.loss.normalization == "johnson"
    before = model.evaluate(images, targets, verbose=0)
    assert restored.evaluate(images, targets, verbose=0) == pytest.approx(before, rel=1e-6)
    pairs = zip(model(images).numpy(), targets, strict=True)
    expected = np.mean([oracle.mse_of_gram_over_elements(image, target) for image, target in pairs])
    assert before == pytest.approx(expected, rel=1e-5)


def test_model_learns_under_a_gram_loss():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 3, padding="same")])
    model.compile(keras.optimizers.Adam(0.02), loss=GramLoss("gatys_pytorch"))
    images, targets = np.random.default_rng(0).random((2, 4, 4, 4, 3)).astype(np.float32)
    losses = model.fit(images, targets[..., :2], epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


# Bad arguments


@pytest.mark.parametrize(
    ("loss", "argument", "received", "expected"),
    [
        (GramLoss, "normalization", "gatys", "paper, gatys_pytorch, johnson, keras_io"),
        (ContentLoss, "normalization", "rms", "mean, paper, sum"),
        (GramLoss, "normalization", None, "paper, gatys_pytorch, johnson, keras_io"),
        (GramLoss, "normalization", ["paper"], "paper, gatys_pytorch, johnson, keras_io"),
        (TotalVariationLoss, "exponent", 0.5, "at least 1"),
        (TotalVariationLoss, "exponent", "2", "at least 1"),
        (TotalVariationLoss, "exponent", None, "at least 1"),
        (TotalVariationLoss, "exponent", float("inf"), "at least 1"),
        (TotalVariationLoss, "exponent", float("nan"), "at least 1"),
    ],
)
def test_bad_argument_is_named_with_what_is_expected(loss, argument, received, expected):
    with pytest.raises(InputError) as caught:
        loss(**{argument: received})
    assert f"{argument} is {received!r}; expected" in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 1, 9, 3), (1, 9, 1, 3)])
def test_image_without_neighbors_has_no_total_variation(shape):
    with pytest.raises(InputError, match="at least 2 x 2"):
        TotalVariationLoss()(np.ones(shape), np.ones(shape))


def test_content_of_another_size_is_refused():
    with pytest.raises(InputError, match=r"\(1, 9, 8, 6\).*\(1, 5, 7, 6\)"):
        distance(ContentLoss(), IMAGE, LARGER_STYLE)
