"""The sliced Wasserstein loss by tiles: that of the whole image, from the projections of all its positions."""

from dataclasses import replace

import numpy as np
import pytest
from running import FAST
from scipy import stats
from test_tiled_losses import ROUNDING, STYLE, assert_equal, noise, work

import keras_style
from keras_style import Objective, Term, losses
from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf
from keras_style.optimize.gradient import losses_and_gradient
from keras_style.optimize.targets import Targets
from keras_style.optimize.tiling import memory
from keras_style.optimize.tiling.tiled_losses import tiled_losses_and_gradient
from keras_style.optimize.tiling.tiled_network import TiledNetwork


def terms(relative: bool = True, **options) -> list[Term]:
    loss = losses.SlicedWassersteinLoss(5, **options)
    return [Term(loss, layer, 3.0, "style", relative) for layer in STYLE]


def evaluations(objective, backbone, tile, images, *targets):
    """Losses and gradient by the whole image and by tiles, each a function of the step."""
    whole = losses_and_gradient(objective.bind(backbone, Targets(*targets)), images.shape, images.dtype)
    tiles = tiled_losses_and_gradient(objective, backbone, tile, images.shape, images.dtype, Targets(*targets))

    def at(evaluate):
        def at_step(step: int) -> tuple[dict, np.ndarray]:
            values, gradient = evaluate(tf.constant(images), step)
            return {name: float(value) for name, value in values.items()}, gradient.numpy()

        return at_step

    return at(whole), at(tiles)


@pytest.mark.parametrize(("power", "tile"), [pytest.param(2, 29, marks=pytest.mark.integration), (1, 16)])
def test_the_gradient_is_that_of_the_whole_image_at_every_draw(power, tile, backbone):
    images, style = noise(1, 41, 37), noise(1, 35, 29, seed=1)
    whole, tiles = evaluations(Objective(terms(power=power)), backbone, tile, images, None, [style])
    for step in (1, 5, 5, 1):
        assert_equal(tiles(step), whole(step))
    assert tiles(1)[0] != tiles(2)[0]


@pytest.mark.parametrize(
    "size",
    [(17, 47), *(pytest.param(each, marks=pytest.mark.integration) for each in ((16, 16), (31, 16), (46, 46)))],
)
def test_every_boundary_and_odd_size(size, backbone):
    """Every pixel's derivative by all that adds up, at sizes where windows are shifted, cut or one only."""
    images, content, style = noise(1, *size), noise(1, *size, seed=1), noise(1, 21, 34, seed=2)
    objective = Objective(
        [
            *terms(relative=False),
            Term(losses.GramLoss(), "block2_conv1", 1.0, "style", relative=True, name="gram"),
            Term(losses.ContentLoss(), "block2_conv1", 1.0, "content", relative=True),
            Term(losses.SlicedWassersteinLoss(3), "image", 1.0, "style", name="colors"),
        ]
    )
    whole, tiles = evaluations(objective, backbone, 16, images, content, [style])
    assert_equal(tiles(1), whole(1))


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["edge", pytest.param("soft", marks=pytest.mark.integration)])
def test_regions_blends_and_edges(kind, backbone):
    """Masks pick the same samples of projections as of vectors, whatever the weights."""
    images, styles = noise(2, 40, 33), [noise(1, 35, 29, seed=1), noise(1, 22, 38, seed=2)]
    targets: tuple = (None, styles, [0.3, 0.7], None, (), 2)
    if kind != "edge":
        random = np.random.default_rng(5)
        masks = [random.random(image.shape[1:3]).astype(np.float32) for image in (images, *styles)]
        regions = [{"one": mask, "two": 1 - mask} for mask in masks]
        targets = (None, styles, [0.3, 0.7], regions[0], regions[1:], 0)
    whole, tiles = evaluations(Objective(terms()), backbone, 17, images, *targets)
    for step in (1, 2):
        assert_equal(tiles(step), whole(step))


@pytest.mark.integration
def test_a_target_can_be_the_content(backbone):
    images, content = noise(1, 33, 30), noise(1, 33, 30, seed=1)
    objective = Objective([Term(losses.SlicedWassersteinLoss(4), "block1_conv2", 1.0, "content", relative=True)])
    whole, tiles = evaluations(objective, backbone, 16, images, content)
    assert_equal(tiles(3), whole(3))


def test_the_value_is_the_wasserstein_distance_by_scipy(backbone):
    images, style = noise(1, 33, 30), noise(1, 33, 30, seed=1)
    loss = losses.SlicedWassersteinLoss(4, power=1)
    objective = Objective([Term(loss, "block1_conv2", 2.0, "style")])
    _, tiles = evaluations(objective, backbone, 16, images, None, [style])
    directions = loss.redrawn(7).directions(64, tf.float64).numpy()
    np.testing.assert_allclose(np.linalg.norm(directions, axis=0), 1, rtol=1e-12)
    ours, theirs = (
        backbone(tf.constant(each), ["block1_conv2"])["block1_conv2"].numpy().reshape(-1, 64) @ directions
        for each in (images, style)
    )
    expected = np.mean([stats.wasserstein_distance(*pair) for pair in zip(ours.T, theirs.T, strict=True)])
    assert tiles(7)[0]["style"] == pytest.approx(2 * expected, rel=ROUNDING)


@pytest.mark.parametrize("dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.integration)])
def test_where_an_image_is_of_one_color_the_whole_of_its_gradient_is_the_same(dtype, backbone):
    """Rounding decides which of equal positions gets which quantile: not what they get together, nor the value."""
    images, style = noise(1, 40, 40, dtype=dtype), noise(1, 35, 29, dtype=dtype, seed=1)
    images[:, 4:36, 4:36] = 0.25
    objective = Objective([Term(losses.SlicedWassersteinLoss(5), "block1_conv1", 1.0, "style", relative=True)])
    whole, tiles = evaluations(objective, backbone, 16, images, None, [style])
    (value, gradient), (expected_value, expected) = tiles(1), whole(1)
    tolerance = 1e-10 if dtype == np.float64 else 1e-5
    assert value["style"] == pytest.approx(expected_value["style"], rel=tolerance)
    np.testing.assert_allclose(gradient.sum((1, 2)), expected.sum((1, 2)), rtol=tolerance)
    # On processors without AVX-512, equal positions differ by rounding in float32.
    shares = tolerance if dtype == np.float64 else 0.05
    assert np.linalg.norm(gradient - expected) <= shares * np.linalg.norm(expected)


def test_rounding_may_exchange_the_shares_of_equal_positions_and_no_more():
    """Not exact: positions that are equal up to rounding get the same aims, in another order."""
    random = np.random.default_rng(0)
    features, style = random.normal(size=(1, 20, 20, 6)), random.normal(size=(1, 24, 17, 6))
    flat = np.zeros(features.shape[1:3], bool)
    flat[3:15, 5:18] = True
    features[0, flat] = random.normal(size=6)
    rounding = 1e-13 * random.normal(size=features.shape)
    loss = losses.SlicedWassersteinLoss(4).by_parts()
    target = loss.statistics(loss.of_target(tf.constant(style)))

    def of(vectors: np.ndarray) -> tuple[float, np.ndarray]:
        """Value, and derivative by the projections."""
        projections = loss.projected(tf.constant(vectors))
        with tf.GradientTape() as tape:
            tape.watch(projections)
            parts = [
                loss.distance(loss.along(number, target), loss.statistics(projections[..., number : number + 1]))
                for number in range(4)
            ]
            value = tf.add_n(parts) / 4
        return float(value[0]), tape.gradient(value, projections).numpy()[0]

    (value, slope), (rounded, other) = of(features), of(features + rounding)
    assert rounded == pytest.approx(value, rel=1e-11)
    np.testing.assert_allclose(other[~flat], slope[~flat], atol=1e-13)
    np.testing.assert_allclose(np.sort(other[flat], axis=0), np.sort(slope[flat], axis=0), atol=1e-13)
    assert np.abs(other[flat] - slope[flat]).max() > 1e-4  # it does exchange them


def test_the_style_goes_through_the_network_once_a_draw(backbone, monkeypatch):
    images, style = noise(1, 30, 30), noise(1, 21, 34, seed=1)
    seen = []
    placed = TiledNetwork.placed
    monkeypatch.setattr(
        TiledNetwork, "placed", lambda self, of, *rest: seen.append(of.shape) or placed(self, of, *rest)
    )
    evaluate = tiled_losses_and_gradient(
        Objective(terms()), backbone, 16, images.shape, images.dtype, Targets(None, [style])
    )
    for step in (1, 1, 2, 2, 1):
        evaluate(tf.constant(images), step)
    assert [shape == style.shape for shape in seen] == [True, False, False, True, False, False, True, False]


def test_a_style_that_is_missing_is_refused_at_once(backbone):
    with pytest.raises(InputError, match="compares with the style image; none was given"):
        tiled_losses_and_gradient(Objective(terms()), backbone, 16, (1, 30, 30, 3), np.dtype(np.float32), Targets())


@pytest.mark.integration
@pytest.mark.parametrize(
    "options",
    [{"optimizer": "lbfgs"}, {"method": {"sliced_wasserstein": 0.5, "gatys": 0.5}}],
    ids=["lbfgs", "blend"],
)
def test_a_transfer_by_tiles_is_the_one_without(options, photograph, painting):
    near = 2e-2 if "optimizer" in options else 5e-3  # a line search multiplies rounding: 8e-3 was seen
    given = {**FAST, "method": "sliced_wasserstein", "scales": 1, "steps": 4, **options}
    whole = keras_style.transfer(photograph, painting, **given)
    tiled = keras_style.transfer(photograph, painting, tile=24, **given)
    assert list(tiled.history) == list(whole.history)
    for name, values in whole.history.items():
        np.testing.assert_allclose(tiled.history[name], values, rtol=near, atol=1e-9)
    differences = np.abs(tiled.array - whole.array)
    # Of vectors that are next to equal, rounding decides which gets which aim: pixels move by 0.02 a step either way.
    assert differences.mean() < (0.01 if "optimizer" in options else 0.005)
    assert np.abs(whole.array - keras_style.images.resize(photograph, *whole.array.shape[:2])).mean() > 0.02


def test_auto_counts_the_projections_of_the_methods_that_have_them(photograph, painting, monkeypatch):
    works = []
    monkeypatch.setattr(memory, "TILES", (24,))
    monkeypatch.setattr(memory, "available", lambda: 0.5)
    monkeypatch.setattr(memory, "estimate", lambda work, tile: works.append(work) or 9e9)
    layers = FAST["style_layers"]
    for method, expected in [
        ("sliced_wasserstein", dict.fromkeys(layers, 16)),
        ({"sliced_wasserstein": 0.5, "gatys": 0.5}, dict.fromkeys(layers, 16)),
        ("gatys", {}),
    ]:
        with pytest.raises(InputError, match="even in tiles of 24"):
            keras_style.transfer(photograph, painting, **{**FAST, "method": method, "scales": 1, "steps": 1})
        assert works[-1].projections == expected


# The estimate

PROJECTIONS = {f"block{number}_conv1": 16 for number in range(1, 6)}  # of the method's default layers

# (side, tile, GB), taken as those of `gatys` are (test_tiled_losses.py).
MEASURED = [(512, None, 2.167), (512, 288, 1.52), (1024, None, 4.785), (1024, 512, 2.213)]


def sliced(side: int, **options) -> memory.Work:
    return replace(work(side, **options), projections=PROJECTIONS)


@pytest.mark.parametrize(("side", "tile", "peak"), MEASURED)
def test_the_estimate_is_not_below_what_was_measured_nor_far_above(side, tile, peak):
    assert peak <= memory.estimate(sliced(side), tile) / 1e9 <= 1.25 * peak


def test_the_estimate_counts_the_projections_of_picture_and_style():
    """At least their float32 numbers: 16 of each position, of which a layer has a quarter of the one before."""
    positions = sum(4.0**-depth for depth in range(5))
    for tile in (None, 256, 512):
        more = memory.estimate(sliced(1024, style=2000), tile) - memory.estimate(work(1024, style=2000), tile)
        assert more >= 4 * 16 * positions * (1040**2 + 2000**2)
        assert memory.estimate(sliced(1024, style=3000), tile) > memory.estimate(sliced(1024, style=2000), tile)
    assert (
        memory.estimate(sliced(4096), 256) < memory.estimate(sliced(4096), 1024) < memory.estimate(sliced(4096), None)
    )
