"""Published variants pull at features and pixels as hard as the programs that they name."""

import numpy as np
import pytest
from oracles import losses as loss_oracle
from oracles import programs as oracle
from running import FAST, eagerly

from keras_style import transfer
from keras_style.internal.tensorflow import keras, tf
from keras_style.optimize.gradient_descent import descend
from keras_style.painting import methods
from keras_style.painting.methods import METHODS

LEVELS = 256  # of Luan's and Li's programs


def terms(method, variant, layer):
    return [term for term in methods.blend(method, variant).terms() if term.layer == layer and term.weight]


def slope(term, image, target):
    """The gradient of a term by features or pixels (H, W, C)."""
    variable = tf.Variable(image[None])
    with tf.GradientTape() as tape:
        loss = term.loss.redrawn(1)
        value = term.weight * loss.distance(loss.statistics(tf.constant(target[None])), loss.statistics(variable))
    return tape.gradient(value, variable).numpy()[0]


def activations(shape, seed):
    return np.random.default_rng(seed).normal(0.3, 1, shape).clip(0)


@pytest.mark.parametrize(
    ("method", "kernel", "gamma", "shape"),
    [
        ("mmd_linear", "linear", 5, (4, 5)),
        ("mmd_poly", "poly", 5, (4, 5)),
        ("mmd_gaussian", "gaussian", 5, (1, 2)),
        ("moments", "bn", 1, (4, 5)),
    ],
)
@pytest.mark.parametrize(("layer", "filters"), [("block1_conv1", 64), ("block5_conv1", 512)])
def test_style_of_li_pulls_as_in_the_authors_program(method, kernel, gamma, shape, layer, filters):
    image, style = (activations((*shape, filters), seed) for seed in (0, 1))
    image[0, 0] += 0.01  # no filter that never fires, whose deviation the program divides by
    [term] = terms(method, "reference", layer)
    expected = oracle.demystifying(kernel, image.reshape(-1, filters), style.reshape(-1, filters), gamma)
    got = slope(term, image, style).reshape(-1, filters)
    np.testing.assert_allclose(got, expected, atol=1e-3 * np.abs(expected).max())


def test_content_of_li_is_the_sum_of_squares():
    image, photograph = (activations((3, 4, 5), seed) for seed in (0, 1))
    [term] = terms("moments", "reference", "block4_conv2")
    np.testing.assert_allclose(slope(term, image, photograph), 2 * (image - photograph), rtol=1e-9)


def test_total_variation_of_li_is_the_convolution_of_the_authors_program():
    image = np.random.default_rng(0).random((9, 8, 3))
    [term] = terms("mmd_poly", "reference", "image")
    expected = LEVELS * 1e-2 * oracle.variation_of_demystifying(LEVELS * image)
    np.testing.assert_allclose(slope(term, image, image)[1:-2, 1:-2], expected[:-1, :-1], rtol=1e-9)


def test_total_variation_of_luan_is_that_of_the_authors_program():
    image = np.random.default_rng(0).random((9, 8, 3))
    variation, _ = terms("photo", "reference", "image")
    expected = LEVELS * 1e-3 * oracle.variation_of_deepmatting(LEVELS * image)
    np.testing.assert_allclose(slope(variation, image, image), expected, rtol=1e-9)


@pytest.mark.parametrize("length", [0.3, 30.0])
def test_steps_of_li_are_those_of_momentum_in_levels(length):
    """85 of them, so that the rate falls once; a long gradient is clipped."""
    gradient = np.random.default_rng(0).normal(size=(1, 4, 5, 3))
    gradient *= length * 3 * 600 * 450 / np.linalg.norm(gradient)
    start, rest = np.full(gradient.shape, 0.5), tf.constant(LEVELS * gradient)
    optimizer = keras.optimizers.get(dict(METHODS["moments"].variant("reference").optimizer))

    def end(steps):
        return LEVELS * descend(
            optimizer, lambda images, step: ({}, rest), start, steps, lambda iterate: False, bounded=False
        )

    expected = oracle.momentum_descent(LEVELS * start, gradient, 80, 1e-3, 3 * 600 * 450)
    np.testing.assert_allclose(end(80), expected, rtol=1e-4)
    velocity = expected - oracle.momentum_descent(LEVELS * start, gradient, 79, 1e-3, 3 * 600 * 450)
    after = expected + 0.9 * velocity - 0.9e-3 * min(1, 1 / length) * gradient
    np.testing.assert_allclose(end(81), after, rtol=1e-4)


def test_gatys_weighs_content_as_the_authors_do_on_the_normalized_network():
    """MSE times 1e6, beside MSE of G / M times 1e9 / 5 for each layer."""
    image, style = (activations((3, 4, 512), seed) for seed in (0, 1))
    [content], [deepest] = (terms("gatys", "paper", layer) for layer in ("block4_conv2", "block5_conv1"))
    of_content, of_style = (float(term.weight * term.loss(style[None], image[None])) for term in (content, deepest))
    expected = 1e6 * np.mean((image - style) ** 2) / (1e9 / 5 * loss_oracle.mse_of_gram_over_positions(image, style))
    assert of_content / of_style == pytest.approx(expected, rel=1e-4)


def test_histograms_of_wilmot_weigh_as_in_the_authors_program_on_a_network_of_its_unit():
    """Gram matrices are not divided, and activations are larger by 255 levels times 0.226."""
    image, style = (activations((4, 5, 64), seed) for seed in (0, 1))
    unit = 255 * 0.226
    gram, histogram = (
        float(term.weight * term.loss(unit * style[None], unit * image[None]))
        for term in terms("histogram", "reference", "block1_conv1")
    )
    of_grams = np.mean((loss_oracle.gram(image) - loss_oracle.gram(style)) ** 2)
    matched = np.mean((np.sort(image.reshape(-1, 64), 0) - np.sort(style.reshape(-1, 64), 0)) ** 2)
    assert histogram / gram == pytest.approx(2e9 * matched / of_grams, rel=0.05)  # bins are not sorting


@eagerly()
@pytest.mark.parametrize(
    ("method", "variant"),
    [(name, variant) for name, method in METHODS.items() for variant in method.variants if variant != "default"],
)
def test_every_published_variant_runs(photograph, painting, method, variant, backbone):
    options = {**FAST, "method": method, "variant": variant, "steps": 3, "size": 96, "backbone": backbone}
    result = transfer(photograph, painting, **options)
    assert result.array.min() >= 0 and result.array.max() <= 1
    assert result.settings["init"] == METHODS[method].variant(variant).init
    assert np.isfinite(result.history["loss"]).all() and result.history["loss"][-1] != result.history["loss"][0]
