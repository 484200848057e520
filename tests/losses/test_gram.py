"""Gram loss against the published sums and all pairs of positions, and as a loss of a Keras model."""

import numpy as np
import pytest
from feature_maps import blended, distance, random_features
from oracles import losses as oracle

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.losses import GramLoss

IMAGE, STYLE, LARGER_STYLE = random_features(5, 7, 6), random_features(5, 7, 6, 1), random_features(9, 8, 6, 2)
NORMALIZATIONS = ("paper", "gatys_pytorch", "johnson", "keras_io", "wilmot")


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


def test_wilmots_normalization_divides_by_filters_only():
    expected = ((oracle.gram(IMAGE) - oracle.gram(STYLE)) ** 2).mean()
    assert distance(GramLoss("wilmot"), IMAGE, STYLE) == pytest.approx(expected, rel=1e-12)


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
        ("wilmot", lambda n: 4 * 12**2),
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


def test_gram_loss_does_not_see_how_often_a_texture_repeats():
    repeated = np.tile(STYLE, (2, 3, 1))
    loss = GramLoss()
    assert distance(loss, IMAGE, repeated) == pytest.approx(distance(loss, IMAGE, STYLE), rel=1e-12)


def test_blend_is_the_weighted_mean_of_grams_per_position():
    value = blended(GramLoss("gatys_pytorch"), IMAGE, [STYLE, LARGER_STYLE], [0.25, 0.75])
    mean = 0.25 * oracle.gram(STYLE) / 35 + 0.75 * oracle.gram(LARGER_STYLE) / 72
    expected = ((oracle.gram(IMAGE) / 35 - mean) ** 2).mean()
    assert value == pytest.approx(expected, rel=1e-12)


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


@pytest.mark.parametrize("received", ["gatys", None, ["paper"]])
def test_unknown_normalization_is_named_with_those_there_are(received):
    with pytest.raises(InputError) as caught:
        GramLoss(received)
    assert f"normalization is {received!r}; expected" in str(caught.value)
    assert ", ".join(NORMALIZATIONS) in str(caught.value)
