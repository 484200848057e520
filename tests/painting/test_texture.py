"""Texture synthesis: canvases of any size, seeds, seams, checkpoints, and what is refused."""

import numpy as np
import pytest
from oracles import vgg
from PIL import Image
from running import eagerly

from keras_style import synthesize_texture
from keras_style.errors import CheckpointError, InputError
from keras_style.internal.tensorflow import keras
from keras_style.optimize.coarse_to_fine import CoarseToFine
from keras_style.optimize.image_optimizer import Minimum
from keras_style.painting import methods

FAST = {"steps": 2, "style_layers": ["block1_conv1"], "method": "gatys", "verbose": 0}


@pytest.fixture(scope="module")
def gravel():
    """32 x 40 pixels, float32: blotches and grain."""
    random = np.random.default_rng(0)
    coarse = np.kron(random.random((8, 10, 1)), np.ones((4, 4, 1)))
    return (0.2 + 0.5 * coarse + 0.2 * random.random((32, 40, 3))).astype(np.float32)


def standing_still():
    return keras.optimizers.SGD(0.0)


# The canvas


@eagerly()
@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (None, (32, 40)),
        (48, (48, 48)),
        ((64, 40), (64, 40)),
        ([33, 51], (33, 51)),
        ((16, 17), (16, 17)),
        (np.array([20, 70]), (20, 70)),
    ],
)
def test_canvas_is_of_the_size_asked_for(gravel, size, expected):
    result = synthesize_texture(gravel, size, **{**FAST, "steps": 1})
    assert result.array.shape == (*expected, 3)
    assert result.array.dtype == np.float32
    assert result.array.min() >= 0 and result.array.max() <= 1
    assert result.settings["size"] == list(expected)


@pytest.mark.parametrize("size", [15, (64, 15), (10_001, 64), (64, 64, 3), (64,), "64", 64.0, True, (None, 64), 0, -64])
def test_bad_size_is_refused(gravel, size):
    with pytest.raises(InputError, match="size is"):
        synthesize_texture(gravel, size, **FAST)


def test_exemplar_keeps_its_resolution():
    """Stripes 8 pixels apart stay 8 pixels apart on a canvas twice as large."""
    x = np.arange(32)
    stripes = np.broadcast_to((0.5 + 0.45 * np.sin(2 * np.pi * x / 8))[None, :, None], (32, 32, 3)).astype(np.float32)
    layers = ["block1_conv1", "block2_conv1"]
    result = synthesize_texture(stripes, 64, method="gatys", scales=1, steps=30, style_layers=layers, verbose=0)
    spectrum = np.abs(np.fft.rfft(result.array.mean(axis=-1) - result.array.mean(), axis=1)).mean(axis=0)
    assert np.argmax(spectrum) == pytest.approx(64 / 8, abs=1)


def test_statistics_come_near_those_of_the_exemplar(gravel):
    result = synthesize_texture(gravel, 48, **{**FAST, "steps": 20})
    assert result.history["loss"][-1] < 0.05 * result.history["loss"][0]
    assert np.abs(result.array.mean(axis=(0, 1)) - gravel.mean(axis=(0, 1))).max() < 0.06


@eagerly()
def test_exemplar_of_any_kind_gives_the_same_bits(gravel, tmp_path):
    levels = (gravel * 255).round().astype(np.uint8)
    Image.fromarray(levels).save(tmp_path / "gravel.png")
    expected = synthesize_texture(levels, **FAST).array
    for exemplar in (tmp_path / "gravel.png", Image.fromarray(levels)):
        assert (synthesize_texture(exemplar, **FAST).array == expected).all()


@eagerly()
def test_exemplar_is_left_as_it_was(gravel):
    before = gravel.copy()
    synthesize_texture(gravel, **FAST)
    assert (gravel == before).all()


@eagerly()
def test_the_exemplars_border_is_not_matched(gravel, backbone):
    """Zero padding is seen at borders only, of which the canvas has less: their features are not the texture's."""
    options = {**FAST, "steps": 1, "optimizer": standing_still(), "method": "mmd_linear", "tileable": True}
    result = synthesize_texture(gravel, 48, **options)
    first = {"block1_conv1": backbone.kernels["block1_conv1"]}
    exemplar = vgg.forward(gravel, first, "max")["block1_conv1"]
    inside = exemplar[2:-2, 2:-2].mean(axis=(0, 1))
    continued = np.pad(result.array, ((32, 32), (32, 32), (0, 0)), "wrap")
    canvas = vgg.forward(continued, first, "max")["block1_conv1"][2:-2, 2:-2].mean(axis=(0, 1))
    expected = ((canvas - inside) ** 2).sum() / (inside**2).sum()
    assert result.history["loss"][0] == pytest.approx(expected, rel=1e-3)


# Scales


@eagerly()
def test_small_exemplar_gives_up_scales_where_it_would_vanish():
    tiny = np.random.default_rng(0).random((16, 16, 3), np.float32)
    larger = np.random.default_rng(0).random((32, 40, 3), np.float32)
    assert synthesize_texture(tiny, 184, **FAST).settings["scales"] == [184]
    assert synthesize_texture(larger, 184, **FAST).settings["scales"] == [92, 184]


def test_scales_that_leave_too_little_of_the_exemplar_are_refused(gravel):
    with pytest.raises(InputError, match=r"at the coarsest scale it is 15 x 12 pixels; expected sides of at least 16"):
        synthesize_texture(gravel, 64, **{**FAST, "scales": [24, 64]})


@eagerly()
def test_smallest_exemplar_runs_through_every_layer():
    tiny = np.random.default_rng(0).random((16, 16, 3), np.float32)
    result = synthesize_texture(tiny, 24, steps=1, verbose=0)
    assert np.isfinite(result.history["loss"]).all()


@eagerly()
def test_exemplar_is_scaled_with_the_canvas(gravel):
    seen = []
    result = synthesize_texture(
        gravel, (64, 48), scales=2, callbacks=[lambda iterate: seen.append(iterate.image.shape)], **FAST
    )
    assert seen == [(32, 24, 3), (64, 48, 3)]
    assert result.settings["scales"] == [32, 64]


# Seeds


@eagerly()
@pytest.mark.parametrize("method", ["gatys", "sliced_wasserstein"])
def test_same_seed_gives_the_same_bits_and_another_does_not(gravel, method):
    one, again, other = (synthesize_texture(gravel, seed=seed, **{**FAST, "method": method}) for seed in (3, 3, 4))
    assert (one.array == again.array).all()
    assert one.history == again.history
    assert np.abs(one.array - other.array).max() > 0.1


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None, True])
def test_bad_seed_is_refused(gravel, seed):
    with pytest.raises(InputError, match="seed is"):
        synthesize_texture(gravel, seed=seed, **FAST)


# Seams


def test_tileable_texture_has_no_seam():
    x = np.arange(32)
    stripes = np.broadcast_to((0.5 + 0.45 * np.sin(6 * np.pi * x / 32))[None, :, None], (32, 32, 3)).astype(np.float32)
    layers = ["block1_conv1", "block2_conv1"]
    options = {"method": "gatys", "scales": 1, "steps": 25, "style_layers": layers, "seed": 1, "verbose": 0}

    def seam(tileable: bool) -> float:
        """Mean difference across the edge, in units of that between neighbors inside."""
        picture = synthesize_texture(stripes, (24, 48), tileable=tileable, **options).array
        return float(np.abs(picture[:, 0] - picture[:, -1]).mean() / np.abs(np.diff(picture, axis=1)).mean())

    assert seam(True) < 1.3
    assert seam(False) > 1.4


@eagerly()
@pytest.mark.parametrize("size", [(16, 40), (33, 21)])
def test_tileable_canvas_may_be_smaller_than_what_is_seen_beyond_its_edges(gravel, size):
    result = synthesize_texture(gravel, size, tileable=True, **FAST)
    assert result.array.shape == (*size, 3)
    assert result.settings["tileable"] is True


@pytest.mark.parametrize("tileable", [1, "yes", None])
def test_tileable_is_true_or_false(gravel, tileable):
    with pytest.raises(InputError, match=r"tileable is .*; expected True or False"):
        synthesize_texture(gravel, tileable=tileable, **FAST)


# Methods


@pytest.mark.parametrize("method", ["photo", {"photo": 1}, {"gatys": 1, "photo": 0.1}])
def test_photo_is_refused(gravel, method):
    with pytest.raises(InputError, match="method photo keeps a photograph; expected another one for a texture"):
        synthesize_texture(gravel, **{**FAST, "method": method})


@eagerly()
@pytest.mark.parametrize("method", [name for name in methods.METHODS if name not in ("photo", "painter")])
def test_every_other_method_makes_textures(gravel, method):
    result = synthesize_texture(gravel, 24, **{**FAST, "method": method, "steps": 1})
    assert np.isfinite(result.array).all()
    assert list(result.history) == ["loss", "style"]


@eagerly()
def test_methods_can_be_blended(gravel):
    options = {**FAST, "optimizer": standing_still(), "steps": 1}
    alone = [synthesize_texture(gravel, **{**options, "method": name}).history["loss"] for name in ("gatys", "moments")]
    both = synthesize_texture(gravel, **{**options, "method": {"gatys": 1, "moments": 3}})
    assert both.history["loss"][0] == pytest.approx(0.25 * alone[0][0] + 0.75 * alone[1][0], rel=1e-4)
    assert both.settings["method"] == {"gatys": 1, "moments": 3}


@eagerly()
def test_arguments_reach_the_settings(gravel):
    given = {"scales": [32, 48], "steps": 5, "optimizer": "adam", "pooling": "average", "seed": 7}
    result = synthesize_texture(gravel, (48, 36), **{**FAST, **given})
    assert {name: result.settings[name] for name in given} == given
    assert len(result.history["loss"]) == 5
    assert result.settings["style_layers"] == {"block1_conv1": 1.0}


# Runs


@eagerly()
def test_start_is_the_exemplars_pixels_at_random(gravel):
    ramp = np.stack(
        [gravel[..., 0], np.linspace(0, 1, gravel[..., 0].size).reshape(gravel.shape[:2]), gravel[..., 2]], -1
    )
    ramp = ramp.astype(np.float32)  # no two pixels alike

    def start(seed: int) -> np.ndarray:
        return synthesize_texture(
            ramp, (40, 60), **{**FAST, "steps": 1, "optimizer": standing_still(), "seed": seed}
        ).array

    first, index = start(5), {tuple(pixel): number for number, pixel in enumerate(ramp.reshape(-1, 3).tolist())}
    numbers = np.array([index[tuple(pixel)] for pixel in first.reshape(-1, 3).tolist()])
    assert len(set(numbers.tolist())) > 0.4 * len(index)
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.1
    assert (start(5) == first).all()
    assert (start(6) != first).any()


@pytest.mark.parametrize("published", [True, False])
def test_a_published_variant_has_its_noise_and_terms_and_no_margin(gravel, backbone, monkeypatch, published):
    runs = []
    monkeypatch.setattr(
        CoarseToFine, "run", lambda self, *given: runs.append(self) or Minimum(self.init, {"loss": [0.0]}, False)
    )
    variant = "reference" if published else "default"
    options = {"size": 96, "variant": variant, "backbone": backbone, "verbose": 0}
    result = synthesize_texture(gravel, scales=1, **options)
    run = runs[0]
    assert (run.bleed, run.targets.edge) == ((0, 0) if published else (16, 2))
    weights = {(type(term.loss).__name__, term.layer): term.weight for term in run.optimizer.objective.terms}
    assert weights["HistogramLoss", "block1_conv1"] == (2e9 if published else 1)
    assert {term.name for term in run.optimizer.objective.terms} == {"style"}
    assert run.optimizer.bounded != published
    deviations = (result.array - [123.68 / 255, 116.779 / 255, 103.939 / 255]).std(axis=(0, 1))
    assert (np.abs(deviations - 0.226) < 0.005).all() == published
    assert result.settings["variant"] == variant and result.settings["steps"] == (3000 if published else 240)


def test_a_variant_that_is_not_there_is_refused_with_those_that_are(gravel):
    with pytest.raises(InputError, match="variant of histogram is 'paper'; expected one of default, reference"):
        synthesize_texture(gravel, variant="paper")


@eagerly()
def test_a_callback_stops_the_run(gravel):
    result = synthesize_texture(gravel, callbacks=[lambda iterate: iterate.step == 2], **{**FAST, "steps": 9})
    assert result.stopped
    assert len(result.history["loss"]) == 2


@pytest.mark.integration
@eagerly()
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_resumed_run_ends_in_the_same_bits(gravel, tmp_path, optimizer):
    options = {**FAST, "steps": 6, "scales": [32, 48], "optimizer": optimizer, "method": "sliced_wasserstein"}
    whole = synthesize_texture(gravel, 48, **options)
    stopped = synthesize_texture(
        gravel, 48, checkpoint=tmp_path / "saved", callbacks=[lambda iterate: iterate.step == 5], **options
    )
    assert stopped.stopped
    resumed = synthesize_texture(gravel, 48, checkpoint=tmp_path / "saved", **options)
    assert (resumed.array == whole.array).all()
    assert resumed.history == whole.history


@eagerly()
@pytest.mark.parametrize("change", [{"seed": 1}, {"tileable": True}, {"size": 40}, {"method": "moments"}])
def test_checkpoint_of_another_texture_is_refused(gravel, tmp_path, change):
    given = {**FAST, "size": 24, "checkpoint": tmp_path / "saved", "callbacks": [lambda iterate: True]}
    synthesize_texture(gravel, **{**given, "optimizer": "adam"})
    with pytest.raises(CheckpointError, match=next(iter(change))):
        synthesize_texture(gravel, **{**given, "optimizer": "adam", **change})


@eagerly()
def test_checkpoint_of_another_exemplar_is_refused(gravel, tmp_path):
    given = {**FAST, "checkpoint": tmp_path / "saved", "optimizer": "adam"}
    synthesize_texture(gravel, **given)
    with pytest.raises(CheckpointError, match="exemplar"):
        synthesize_texture(1 - gravel, **given)


@pytest.mark.parametrize("exemplar", [np.zeros((15, 40, 3), np.float32), np.zeros((40, 40), np.float32), "missing.png"])
def test_bad_exemplar_is_named(exemplar):
    with pytest.raises(InputError, match="exemplar"):
        synthesize_texture(exemplar, **FAST)


def test_a_painter_makes_no_texture(gravel):
    with pytest.raises(InputError, match="method painter paints a photograph; expected another one for a texture"):
        synthesize_texture(gravel, **{**FAST, "method": "painter"})
