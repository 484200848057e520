"""Tiles: the loss and gradient of the whole image, in the memory of a part; and the estimate that chooses them."""

import resource
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from running import FAST

import keras_style
from keras_style import ImageOptimizer, Objective, Stylizer, Term, losses
from keras_style.backbones import weights
from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf
from keras_style.losses.histogram import HistogramByParts
from keras_style.optimize.gradient import losses_and_gradient
from keras_style.optimize.targets import Targets
from keras_style.optimize.tiling import memory
from keras_style.optimize.tiling.tiled_losses import tiled_losses_and_gradient
from keras_style.optimize.tiling.tiles import Tiling

EXACT = {
    "gram": losses.GramLoss(),
    "moments": losses.MomentsLoss(),
    "mmd_linear": losses.MMDLoss("linear"),
    "mmd_poly": losses.MMDLoss("poly", offset=0.5),
    "kullback_leibler": losses.GaussianKLLoss(),
    "renyi": losses.GaussianRenyiLoss(),
    "histogram": losses.HistogramLoss(bins=64),
}
REFUSED = [
    losses.HistogramLoss(),
    losses.MMDLoss("gaussian"),
    losses.MMDLoss("poly", degree=3),
    losses.JensenShannonLoss(),
    losses.TotalVariationDistanceLoss(),
]
STYLE = ("block1_conv1", "block2_conv1")
ROUNDING = 1e-11  # of gradients in float64


def noise(*size: int, dtype: type = np.float64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((*size, 3)).astype(dtype)


def of_whole(objective, backbone, images, *targets) -> tuple[dict, np.ndarray]:
    bound = objective.bind(backbone, Targets(*targets))
    evaluate = losses_and_gradient(bound, images.shape, images.dtype)
    values, gradient = evaluate(tf.constant(images), 1)
    return {name: float(value) for name, value in values.items()}, gradient.numpy()


def of_tiles(objective, backbone, tile, images, *targets) -> tuple[dict, np.ndarray]:
    evaluate = tiled_losses_and_gradient(objective, backbone, tile, images.shape, images.dtype, Targets(*targets))
    values, gradient = evaluate(tf.constant(images), 1)
    return {name: float(value) for name, value in values.items()}, gradient.numpy()


def assert_equal(found, expected, tolerance=ROUNDING) -> None:
    """Values one by one; gradients everywhere, in units of their length by pixel."""
    assert list(found[0]) == list(expected[0])
    for name, value in expected[0].items():
        assert found[0][name] == pytest.approx(value, rel=tolerance)
    length = np.sqrt(np.mean(np.square(expected[1])))
    assert length > 0
    assert np.abs(found[1] - expected[1]).max() <= tolerance * 10 * length
    assert np.linalg.norm(found[1] - expected[1]) <= tolerance * np.linalg.norm(expected[1])


# Where tiles lie


@pytest.mark.parametrize(("reach", "poolings"), [(58, 4), (4, 1), (42, 3), (1, 0), (0, 0)])
def test_windows_own_every_position_once_and_see_what_it_needs(reach, poolings):
    step = 2**poolings
    smallest = Tiling(10**6, reach, step).smallest
    sides = [*range(16, 3 * smallest + 40, 7), 1023, 1024]
    for pixels in (smallest, smallest + 1, smallest + step + 3, 3 * smallest):
        cut = Tiling(pixels, reach, step)
        for height, width in zip(sides, reversed(sides), strict=True):
            across = cut.spans(height, width)
            window = cut.window(height, width)
            assert np.prod(window) <= pixels**2
            for side, length, spans in zip((height, width), window, across, strict=True):
                assert {span.stop - span.start for span in spans} == {length}
                owner = [index for index, span in enumerate(spans) for _ in range(span.own_start, span.own_stop)]
                assert len(owner) == side and spans[0].own_start == 0 and spans[-1].own_stop == side
                assert set(owner) == set(range(len(spans)))
                for span in spans:
                    assert span.start % step == 0 and span.own_start % step == 0
                    assert span.start == 0 or span.own_start - span.start >= reach
                    whole_cells = span.start + length // step * step
                    assert span.stop == side or whole_cells - span.own_stop >= reach
                for times in range(poolings + 1):
                    ends = [span.at_layer(2**times, span.length >> times)[1:] for span in spans]
                    positions = [position for first, last in ends for position in range(first, last)]
                    assert positions == list(range(side >> times))


def test_windows_are_few_and_of_one_size():
    cut = Tiling(576, 58, 16)
    assert [(span.start, span.stop) for span in cut.spans(1024, 1024)[1]] == [(0, 576), (448, 1024)]
    assert cut.window(1024, 100) == (1024, 100)
    assert len(list(cut(1024, 1024))) == 4 and len(list(cut(576, 575))) == 1


def test_windows_have_the_shape_that_overlaps_least():
    halves = Tiling(768, 58, 16)
    assert sorted(halves.window(1024, 1024)) == [576, 1024] and len(list(halves(1024, 1024))) == 2
    assert Tiling(512, 58, 16).window(4096, 200)[1] == 200  # a long picture is cut across only


# The gradient


def test_exact_losses_have_the_gradient_of_the_whole_image(backbone):
    images, style = noise(1, 41, 37), noise(1, 35, 29, seed=1)
    objective = Objective(
        [Term(loss, layer, 3.0, "style", relative=True, name=name) for name, loss in EXACT.items() for layer in STYLE]
    )
    expected = of_whole(objective, backbone, images, None, [style])
    assert_equal(of_tiles(objective, backbone, 16, images, None, [style]), expected)


@pytest.mark.integration
def test_content_and_total_variation_have_the_gradient_of_the_whole_image(backbone):
    images, content = noise(1, 33, 38), noise(1, 33, 38, seed=1)
    objective = Objective(
        [
            Term(losses.ContentLoss("mean"), "block2_conv2", 2.0, "content", relative=True, name="mean"),
            Term(losses.ContentLoss("sum"), "block2_conv2", 2.0, "content", relative=True, name="sum"),
            Term(losses.ContentLoss("paper"), "block2_conv2", 1e-5, "content", name="paper"),
            Term(losses.TotalVariationLoss(), "image", 1e-2, name="variation"),
            Term(losses.TotalVariationLoss(exponent=1), "image", 1e-2, name="edges"),
        ]
    )
    assert_equal(of_tiles(objective, backbone, 19, images, content), of_whole(objective, backbone, images, content))


@pytest.mark.integration
def test_what_does_not_add_up_on_pixels_is_computed_on_the_whole_image(backbone, photograph):
    content = photograph[None].astype(np.float64)
    images, style = noise(*content.shape[:3]), noise(1, 30, 30, seed=2)
    objective = Objective(
        [
            Term(losses.MattingLaplacianLoss(normalization="mean"), "image", 1e-2, "content", name="photorealism"),
            Term(losses.HistogramLoss(), "image", 1.0, "style", name="colors"),
            Term(losses.GramLoss(), "block1_conv2", 1.0, "style", relative=True),
        ]
    )
    expected = of_whole(objective, backbone, images, content, [style])
    assert_equal(of_tiles(objective, backbone, 18, images, content, [style]), expected)
    alone = Objective(objective.terms[:1])
    assert_equal(of_tiles(alone, backbone, 18, images, content), of_whole(alone, backbone, images, content))


@pytest.mark.integration
def test_a_histogram_beside_sums_within_regions_and_an_edge(backbone):
    """Zeros and ones as a mask: what `HistogramLoss` draws is then what it counts."""
    images, style = noise(1, 40, 33), noise(1, 35, 29, seed=1)
    objective = Objective(
        [
            Term(losses.HistogramLoss(bins=256), "block1_conv1", 2.0, "style", relative=True),
            Term(losses.GramLoss(), "block2_conv1", 1.0, "style", relative=True),
            Term(losses.HistogramLoss(bins=16), "block2_conv1", 1.0, "style"),
        ]
    )
    halves = [np.zeros(image.shape[1:3], np.float32) for image in (images, style)]
    for half in halves:
        half[:16] = 1
    regions = [{"above": half, "below": 1 - half} for half in halves]
    for targets in [(None, [style], None, None, (), 3), (None, [style], None, regions[0], regions[1:])]:
        expected = of_whole(objective, backbone, images, *targets)
        assert_equal(of_tiles(objective, backbone, 17, images, *targets), expected)


@pytest.mark.parametrize("bins", [64, 512])
def test_histograms_of_several_styles_and_of_soft_masks_are_a_bin_away(bins):
    """The approximation against the weighted quantiles themselves: the mean error of the aims is below a bin."""
    random = np.random.default_rng(0)
    features, *styles = (random.gamma(2, scale, (1, 40, 50, 3)) - 0.5 * scale for scale in (1.0, 2.0, 3.0))
    soft, *of_styles = (random.uniform(0, 1, each.shape[:3]) for each in (features, *styles))
    loss, blend = HistogramByParts(bins), [0.3, 0.7]

    def statistics(image: np.ndarray, mask: np.ndarray) -> dict:
        """In two parts."""
        parts = [(tf.constant(image[:, rows]), tf.constant(mask[:, rows])) for rows in (slice(0, 9), slice(9, None))]
        extent = tf.maximum(*(loss.extent(*part) for part in parts))
        return loss.whole(tf.nest.map_structure(tf.add, *(loss.counts(*part, extent) for part in parts)), extent)

    target = loss.blend([statistics(*each) for each in zip(styles, of_styles, strict=True)], blend)
    variable = tf.Variable(features)
    with tf.GradientTape() as tape:
        value = loss.distance_of_part(target, statistics(features, soft), variable, tf.constant(soft))
    aims = features - tape.gradient(value, variable).numpy() * 3 * soft.sum() / 2 / soft[..., None]
    squares, expected_squares = 0.0, 0.0
    for number in range(3):
        values = np.concatenate([style[..., number].ravel() for style in styles])
        shares = np.concatenate([w * mask.ravel() / mask.sum() for w, mask in zip(blend, of_styles, strict=True)])
        order, place = np.argsort(values), np.argsort(features[..., number].ravel())
        ranks = (np.cumsum(soft.ravel()[place]) - soft.ravel()[place] / 2) / soft.sum()
        expected = np.interp(ranks, np.cumsum(shares[order]) - shares[order] / 2, values[order])
        errors = np.abs(aims[..., number].ravel()[place] - expected)
        assert errors.mean() < np.ptp(values) / bins
        expected_squares += np.sum(soft.ravel()[place] * (features[..., number].ravel()[place] - expected) ** 2)
    squares = float(value[0]) * 3 * soft.sum()
    assert squares == pytest.approx(expected_squares, rel=2 / bins)


@pytest.mark.integration
@pytest.mark.parametrize("edge", [0, 2])
def test_regions_blends_and_edges(edge, backbone):
    images, styles = noise(1, 40, 33), [noise(1, 35, 29, seed=1), noise(1, 22, 38, seed=2)]
    objective = Objective([Term(losses.MomentsLoss(), layer, 1.0, "style", relative=True) for layer in STYLE])
    targets: tuple = (None, styles, [0.3, 0.7], None, (), edge)
    if not edge:
        soft = [np.random.default_rng(5).random(image.shape[1:3]).astype(np.float32) for image in (images, *styles)]
        regions = [{"one": weight, "two": 1 - weight} for weight in soft]
        targets = (None, styles, [0.3, 0.7], regions[0], regions[1:], 0)
    expected = of_whole(objective, backbone, images, *targets)
    assert_equal(of_tiles(objective, backbone, 17, images, *targets), expected)


def test_several_images_at_once(backbone):
    images, style = noise(2, 27, 30), noise(1, 24, 24, seed=1)
    objective = Objective([Term(losses.GramLoss(), "block2_conv1", 1.0, "style", relative=True)])
    expected = of_whole(objective, backbone, images, None, [style])
    assert_equal(of_tiles(objective, backbone, 16, images, None, [style]), expected)


@pytest.mark.integration
@pytest.mark.parametrize(("dtype", "pooling", "tolerance"), [("float64", "max", 1e-9), ("float32", "average", 2e-5)])
def test_all_layers(dtype, pooling, tolerance, backbone):
    """The default layers, whose deepest sees 58 pixels to each side.

    In float32, of two values that differ by rounding only, max pooling may take one in a tile and the other in the
    whole: on 219 x 203 pixels of noise the gradients differed by 2e-3 then.
    """
    pooled = replace(backbone, pooling=pooling)
    assert len(list(Tiling(160, 58, 16)(219, 130))) == 2
    images, content, style = (noise(1, 219, 130, dtype=np.dtype(dtype), seed=seed) for seed in range(3))
    objective = Objective(Stylizer().blend.terms())
    expected = of_whole(objective, pooled, images, content, [style])
    assert_equal(of_tiles(objective, pooled, 160, images, content, [style]), expected, tolerance)


# Transfers


@pytest.mark.integration
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_transfer_by_tiles_is_the_one_without(optimizer, photograph, painting):
    options = {**FAST, "method": "photo", "optimizer": optimizer, "scales": 1, "steps": 4}
    whole = keras_style.transfer(photograph, painting, **options)
    tiled = keras_style.transfer(photograph, painting, tile=24, **options)
    assert tiled.settings["tile"] == 24 and whole.settings["tile"] == "auto"
    assert list(tiled.history) == list(whole.history)
    for name, values in whole.history.items():
        np.testing.assert_allclose(tiled.history[name], values, rtol=1e-3, atol=1e-9)
    # Adam divides by the gradient's length: where that is next to nothing, rounding takes a step of its own.
    differences = np.abs(tiled.array - whole.array)
    assert differences.max() < 0.05 and np.mean(differences > 1e-3) < 0.01
    assert np.abs(whole.array - keras_style.images.resize(photograph, *whole.array.shape[:2])).max() > 0.02


def test_tiles_larger_than_the_image_change_nothing(photograph, painting):
    whole, tiled = (keras_style.transfer(photograph, painting, tile=tile, **FAST) for tile in (None, 4096))
    np.testing.assert_array_equal(tiled.array, whole.array)


def test_auto_changes_nothing_where_the_picture_fits(photograph, painting, capsys, monkeypatch):
    whole = keras_style.transfer(photograph, painting, tile=None, **{**FAST, "verbose": 1})
    assert "memory" not in capsys.readouterr().err
    auto = keras_style.transfer(photograph, painting, **{**FAST, "verbose": 1})
    np.testing.assert_array_equal(auto.array, whole.array)
    assert "64 x 56 pixels take an estimated 1.3 GB of memory; " in capsys.readouterr().err


@pytest.mark.integration
def test_auto_takes_tiles_where_it_does_not_fit_and_says_so(photograph, painting, capsys, monkeypatch):
    monkeypatch.setattr(memory, "TILES", (40, 24, 16))
    monkeypatch.setattr(memory, "estimate", lambda work, tile: 3e9 if tile is None else 1e9 + tile * 1e7)
    monkeypatch.setattr(memory, "available", lambda: 1.3e9)
    seen = []
    monkeypatch.setattr(
        "keras_style.optimize.image_optimizer.tiled_losses_and_gradient",
        lambda objective, backbone, pixels, *rest: (
            seen.append(pixels) or tiled_losses_and_gradient(objective, backbone, pixels, *rest)
        ),
    )
    keras_style.transfer(photograph, painting, **{**FAST, "verbose": "auto", "scales": 1, "steps": 1})
    assert seen == [24]
    assert capsys.readouterr().err == (
        "keras-style: 64 x 56 pixels take an estimated 3.0 GB of memory, and 1.2 GB in tiles of 24; 1.3 GB are "
        "available\n"
    )
    keras_style.transfer(photograph, painting, **{**FAST, "verbose": 0, "scales": 1, "steps": 1})
    assert capsys.readouterr().err == ""


def test_what_cannot_fit_is_refused_before_anything_is_computed(photograph, painting, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 1e9)
    monkeypatch.setitem(sys.modules, "keras_style.optimize.coarse_to_fine", None)
    with pytest.raises(InputError, match=r"even in tiles of 192, and 1.0 GB are available; .* optimizer='adam'"):
        keras_style.transfer(photograph, painting, size=512)


# Refusals


@pytest.mark.parametrize("loss", REFUSED, ids=lambda loss: loss.name)
def test_losses_that_need_all_positions_are_refused(loss, backbone):
    objective = Objective([Term(loss, "block1_conv1", target="style")])
    with pytest.raises(InputError, match=f"tile with {type(loss).__name__} on block1_conv1, which needs all positions"):
        ImageOptimizer(backbone, objective, tile=64)


def test_other_refusals(backbone, photograph, painting):
    gram = Term(losses.GramLoss(), "block2_conv1", target="style")
    for objective, options, text in [
        (Objective([gram], balance="gradient"), {"tile": 64}, "balance='gradient', which needs the whole image"),
        (Objective([gram]), {"tile": 64, "wrap": 8}, "tile=64 with wrap=8"),
        (Objective([gram]), {"tile": 10}, "tile is 10; expected at least 11 pixels"),
        (
            Objective([Term(losses.ContentLoss(), "block1_conv1", target="style")]),
            {"tile": 64},
            "tile with ContentLoss",
        ),
    ]:
        with pytest.raises(InputError, match=text):
            ImageOptimizer(backbone, objective, **options)
    for tile in (0, -1, 2.5, "all", True):
        with pytest.raises(InputError, match="tile"):
            Stylizer(tile=tile)
    content = Objective([Term(losses.ContentLoss(), "block1_conv1", target="content")])
    with pytest.raises(InputError, match="none was given"):
        ImageOptimizer(backbone, content, tile=16).minimize(noise(20, 20), steps=1)


# The estimate

FILTERS = {
    f"block{block}_conv{number}": filters
    for block, (count, filters) in enumerate(zip((2, 2, 3, 3, 1), (64, 128, 256, 512, 512), strict=True), 1)
    for number in range(1, count + 1)
}


HISTOGRAMS = ["block1_conv1", "block4_conv1"]


def work(side: int, optimizer: str = "adam", style: int | None = None, histograms: Sequence[str] = ()) -> memory.Work:
    """That of the default recipe on a square of `side` pixels."""
    style = style or side
    return memory.Work(
        side + 16, side + 16, [(style, style)], weights.layers(FILTERS), ["block4_conv2"], histograms, optimizer
    )


# (side, optimizer, tile, where histograms are matched, GB): peak resident memory of two steps from arrays, each in a
# process of its own, by `python benchmarks/tiling.py --parts memory` on two cores (TensorFlow 2.21), with or without
# AVX-512, whichever was more.
MEASURED = [
    (512, "adam", None, (), 1.852),
    (512, "lbfgs", None, (), 2.175),
    (512, "adam", 288, (), 1.393),
    (512, "adam", None, HISTOGRAMS, 2.191),
    (512, "adam", 288, HISTOGRAMS, 1.503),
    (1024, "adam", None, (), 3.972),
    (1024, "lbfgs", None, (), 4.599),
    (1024, "adam", 512, (), 1.989),
    (1024, "lbfgs", 512, (), 2.647),
    (2048, "adam", None, (), 12.35),
    (2048, "adam", 1024, (), 4.329),
    (2048, "adam", 512, (), 2.567),
]


@pytest.mark.parametrize(("side", "optimizer", "tile", "histograms", "peak"), MEASURED)
def test_the_estimate_is_not_below_what_was_measured_nor_far_above(side, optimizer, tile, histograms, peak):
    estimated = memory.estimate(work(side, optimizer, histograms=histograms), tile) / 1e9
    assert peak <= estimated <= 1.25 * peak


def test_the_estimate_grows_with_everything():
    for tile in (None, 256, 512):
        amounts = [memory.estimate(work(side), tile) for side in (64, 256, 600, 1000, 4000)]
        assert amounts == sorted(amounts) and amounts[0] < amounts[-1]
        assert memory.estimate(work(512, "lbfgs"), tile) > memory.estimate(work(512), tile)
    tiled = [memory.estimate(work(4096), tile) for tile in (256, 512, 1024, 2048, None)]
    assert tiled == sorted(tiled)
    history = memory.estimate(work(1024, "lbfgs"), None) - memory.estimate(work(1024), None)
    assert history >= (2 * 10 * 8 - 3 * 4) * 3 * 1040**2  # 20 float64 vectors, less what Adam keeps
    assert memory.estimate(work(256, style=2048), None) > memory.estimate(work(256), None)
    for tile in (None, 256):
        assert memory.estimate(work(512, histograms=HISTOGRAMS), tile) > memory.estimate(work(512), tile)


def test_a_plan_takes_the_largest_tiles_that_fit():
    assert memory.plan(work(512), None)[0] is None
    assert memory.plan(work(512), 8e9)[0] is None
    tile, line = memory.plan(work(4096), 8e9)
    bigger = memory.TILES[memory.TILES.index(tile) - 1]
    assert memory.estimate(work(4096), tile) <= 8e9 < memory.estimate(work(4096), bigger)
    assert f"in tiles of {tile}; 8.0 GB are available" in line
    with pytest.raises(InputError, match="4112 x 4112 pixels take an estimated"):
        memory.plan(work(4096), 2e9)


def test_a_small_picture_is_not_refused_for_what_tensorflow_takes():
    with pytest.warns(RuntimeWarning, match="104 x 104 pixels.* nearly all of it TensorFlow itself"):
        assert memory.plan(work(88), 1.1e9)[0] is None
    with pytest.raises(InputError, match="528 x 528 pixels take an estimated"):
        memory.plan(work(512), 1.1e9)


def test_what_is_available_respects_limits(tmp_path):
    free = memory.available()
    assert free > 0
    group = tmp_path / "cgroup" / "outer" / "inner"
    group.mkdir(parents=True)
    of_process = tmp_path / "self"
    of_process.write_text("0::/outer/inner\n")
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("300\n")
    (group.parent / "memory.max").write_text("1000\n")
    (group.parent / "memory.current").write_text("700\n")
    (group.parent / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    assert memory._left_in_groups(tmp_path / "cgroup", of_process) == [450]
    old = tmp_path / "cgroup" / "memory" / "job"
    old.mkdir(parents=True)
    of_process.write_text("4:cpu,memory:/job\n3:pids:/\n")
    (old / "memory.limit_in_bytes").write_text("2000")
    (old / "memory.usage_in_bytes").write_text("1500")
    assert memory._left_in_groups(tmp_path / "cgroup", of_process) == [500]
    (old / "memory.limit_in_bytes").write_text("9223372036854771712")
    assert memory._left_in_groups(tmp_path / "cgroup", of_process) == []


@pytest.mark.parametrize(("kind", "beside"), [("RLIMIT_AS", memory._MAPPED), ("RLIMIT_DATA", 0)])
def test_limits_of_a_process_count(kind, beside, monkeypatch):
    limits = {getattr(resource, kind): 3 * 10**9}
    monkeypatch.setattr(resource, "getrlimit", lambda asked: (limits.get(asked, -1), -1))
    assert memory.available() <= 3e9 - beside
