"""`transfer` and `Stylizer`: what goes in, what comes out, and that every argument does what it says."""

import contextlib
import dataclasses
import inspect
import io
import json
from pathlib import Path

import numpy as np
import pytest
import skimage.color
from picture_files import read
from PIL import Image
from running import FAST, at_start, eagerly, first_losses

import keras_style
from keras_style import Stylizer, TransferResult, api, images, transfer
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
from keras_style.painting import methods

PAINT = {**FAST, "optimizer": "adam"}
TWO_SCALES = {**FAST, "steps": 4, "scales": [24, 48]}


def start(*args, **options) -> np.ndarray:
    """The picture that a run starts from."""
    return at_start(*args, **options).array


def equal(a: TransferResult, b: TransferResult) -> bool:
    return np.array_equal(a.array, b.array) and a.history == b.history


@pytest.fixture(scope="module")
def result(photograph, painting):
    return transfer(photograph, painting, **PAINT)


@pytest.fixture(scope="module")
def of_two_scales(photograph, painting):
    return transfer(photograph, painting, **TWO_SCALES)


@pytest.fixture(scope="module")
def start_of_files(photograph_file, painting_file):
    return at_start(photograph_file, painting_file)


# What goes in


@pytest.mark.parametrize("kind", ["path as text", "opened file", "bytes in memory", "PIL image", "uint8", "float64"])
def test_every_kind_of_image_gives_the_same_bits(kind, photograph_file, painting_file, start_of_files):
    def as_kind(path: Path, opened: contextlib.ExitStack):
        match kind:
            case "path as text":
                return str(path)
            case "opened file":
                return opened.enter_context(path.open("rb"))
            case "bytes in memory":
                return io.BytesIO(path.read_bytes())
            case "PIL image":
                return opened.enter_context(Image.open(path))
            case "uint8":
                return read(path)
            case "float64":
                return read(path) / 255

    with contextlib.ExitStack() as opened:
        content, style = as_kind(photograph_file, opened), as_kind(painting_file, opened)
        assert equal(at_start(content, style), start_of_files)


@eagerly()
def test_arguments_stay_as_they_are(photograph, painting):
    content, style, layers = photograph.copy(), painting.copy(), {"block2_conv1": 1.0}
    transfer(content, style, **{**PAINT, "content_layers": layers})
    assert np.array_equal(content, photograph) and np.array_equal(style, painting) and layers == {"block2_conv1": 1.0}


# What comes out


@eagerly()
@pytest.mark.parametrize(("size", "height", "width"), [(48, 40, 48), (36, 30, 36), (64, 53, 64)])
def test_long_side_is_the_size_and_proportions_stay(photograph, painting, size, height, width):
    array = transfer(photograph, painting, **{**PAINT, "size": size}).array
    assert (array.shape, array.dtype) == ((height, width, 3), np.float32)
    assert array.min() >= 0 and array.max() <= 1


def test_portrait_keeps_its_proportions(photograph, painting):
    assert start(photograph.transpose(1, 0, 2), painting).shape == (48, 40, 3)


def test_image_is_the_array_in_8_bits(result):
    assert (result.image.mode, result.image.size) == ("RGB", (48, 40))
    assert np.array_equal(np.asarray(result.image), np.floor(result.array * 255 + 0.5))


def test_notebook_shows_the_image(result):
    shown = Image.open(io.BytesIO(result._repr_png_()))
    assert shown.format == "PNG" and np.array_equal(np.asarray(shown), np.asarray(result.image))


@pytest.mark.parametrize(("suffix", "format"), [(".png", "PNG"), (".jpg", "JPEG"), (".webp", "WEBP")])
def test_saves_by_the_suffix(result, tmp_path, suffix, format):
    path = result.save(tmp_path / f"out{suffix}")
    assert path == tmp_path / f"out{suffix}"
    with Image.open(path) as saved:
        assert saved.format == format
        error = np.abs(np.asarray(saved).astype(float) - np.asarray(result.image))
    assert error.max() == 0 if format == "PNG" else error.mean() < 6


def test_save_takes_a_quality(result, tmp_path):
    coarse, fine = (result.save(tmp_path / f"{quality}.jpg", quality=quality) for quality in (20, 95))
    assert coarse.stat().st_size < fine.stat().st_size


def test_save_refuses_what_it_cannot_write(result, tmp_path):
    with pytest.raises(InputError, match=r"suffix '\.gif'"):
        result.save(tmp_path / "out.gif")
    with pytest.raises(InputError, match="no such directory"):
        result.save(tmp_path / "missing" / "out.png")


def test_terms_add_up_to_the_loss(result):
    assert set(result.history) == {"loss", "content", "style", "total_variation"}
    assert {len(values) for values in result.history.values()} == {FAST["steps"]} and result.steps == FAST["steps"]
    terms = [values for name, values in result.history.items() if name != "loss"]
    np.testing.assert_allclose(result.history["loss"], np.sum(terms, axis=0), rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_loss_falls(photograph, painting, optimizer):
    loss = transfer(photograph, painting, **{**FAST, "steps": 20, "optimizer": optimizer, "scales": 1}).history["loss"]
    assert loss[-1] < 0.8 * loss[0]


def test_summary_is_json_and_says_what_was_done(result):
    summary = json.loads(json.dumps(result.summary()))
    assert summary == result.summary()
    assert (summary["width"], summary["height"], summary["steps"], summary["stopped"]) == (48, 40, 3, False)
    assert summary["losses"] == {name: values[-1] for name, values in result.history.items()}
    assert summary["seconds"] > 0


def test_settings_hold_every_parameter_as_it_was_used(result):
    parameters = {field.name for field in dataclasses.fields(Stylizer) if field.init}
    assert set(result.settings) == parameters | {"regions"}
    used = {name: result.settings[name] for name in ("method", "variant", "size", "scales", "steps", "init")}
    assert used == {"method": "gatys", "variant": "default", "size": 48, "scales": [48], "steps": 3, "init": "content"}
    optional = {"preserve_color", "balance", "auto_regions", "merge_regions", "unmatched_regions", "strength", "stroke"}
    assert [name for name in parameters - optional if result.settings[name] is None] == []


@eagerly()
def test_numbers_may_be_numpys(photograph, painting, tmp_path):
    numbers = {
        "size": np.int64(48),
        "steps": np.int32(3),
        "seed": np.uint8(3),
        "style_weight": np.float32(2),
        "style_layers": {"block1_conv1": np.float32(2)},
        "style_blend": [np.float32(2)],
    }
    painted = transfer(photograph, painting, **{**PAINT, **numbers}, checkpoint=tmp_path)
    assert json.loads(json.dumps(painted.summary()))["steps"] == 3


# The same bits


def test_two_runs_give_the_same_bits(photograph, painting):
    """By Adam; by L-BFGS, see `test_a_number_of_scales_is_a_list_of_halves`."""
    options = {**TWO_SCALES, "optimizer": "adam"}
    assert equal(transfer(photograph, painting, **options), transfer(photograph, painting, **options))


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_graph_has_the_bits_of_eager_steps(photograph, painting, optimizer):
    options = {**FAST, "optimizer": optimizer}
    with eagerly():
        by_hand = transfer(photograph, painting, **options)
    assert equal(by_hand, transfer(photograph, painting, **options))


def test_seed_decides_the_noise(photograph, painting):
    one, same, other = (at_start(photograph, painting, init="noise", seed=seed) for seed in (1, 1, 2))
    assert equal(one, same) and not np.array_equal(one.array, other.array)


@eagerly()
def test_stylizer_gives_what_transfer_gives(photograph, painting, result):
    bound = {name: value for name, value in PAINT.items() if name != "verbose"}
    stylizer = Stylizer(**bound)
    assert equal(stylizer(photograph, painting, verbose=0), result)
    assert equal(stylizer(photograph, painting, verbose=0), result)  # it may be called again


def parameters_of(function) -> dict[str, inspect.Parameter]:
    return {name: each for name, each in inspect.signature(function).parameters.items() if name != "self"}


def test_transfer_and_stylizer_have_the_same_parameters():
    """Names, order, defaults and annotations: what one is told, the other is told; a model has a style of its own."""
    ours = parameters_of(transfer)
    assert ours.pop("model").default is None
    style = ours["style"]
    assert style.default is None
    ours["style"] = style.replace(default=style.empty, annotation=parameters_of(Stylizer.__call__)["style"].annotation)
    images_and_call, bound = parameters_of(Stylizer.__call__), parameters_of(Stylizer)
    assert set(images_and_call) & set(bound) == set()
    assert ours == {**images_and_call, **bound}
    assert [name for name in ours if name in bound] == list(bound)
    assert [name for name in ours if name not in bound] == list(images_and_call)


def test_transfer_hands_every_argument_on(monkeypatch):
    given = {name: object() for name in parameters_of(transfer) if name != "model"}
    taken = {}

    class StandIn:
        def __init__(self, **bound):
            taken.update(bound)

        def __call__(self, content, style, **call):
            taken.update(call, content=content, style=style)
            return "the result"

    monkeypatch.setattr(api, "Stylizer", StandIn)
    content, style, *_ = given.values()
    keywords = {name: value for name, value in given.items() if name not in ("content", "style")}
    assert transfer(content, style, **keywords) == "the result"
    assert taken == given


# Weights and layers


def test_a_weight_is_a_factor_of_its_own_term(photograph, painting):
    weights = {"content": "content_weight", "style": "style_weight", "total_variation": "tv_weight"}
    once = first_losses(photograph, painting, **dict.fromkeys(weights.values(), 1.5))
    for term, weight in weights.items():
        twice = first_losses(photograph, painting, **{**dict.fromkeys(weights.values(), 1.5), weight: 3.0})
        assert once[term] > 0
        for name in weights:
            assert twice[name] == pytest.approx(once[name] * (2 if name == term else 1), rel=1e-5)


def test_a_term_of_weight_0_is_left_out(photograph, painting):
    assert set(first_losses(photograph, painting, tv_weight=0)) == {"loss", "content", "style"}


def test_a_list_of_content_layers_has_equal_weights(photograph, painting):
    layers = ["block1_conv2", "block2_conv1"]
    as_list, as_dict = (
        at_start(photograph, painting, init="style", content_layers=given)
        for given in (layers, dict.fromkeys(layers, 0.5))
    )
    assert as_list.settings["content_layers"] == {"block1_conv2": 0.5, "block2_conv1": 0.5}
    assert equal(as_list, as_dict)


@pytest.mark.parametrize("variant", ["default", "paper", "reference"])
def test_a_list_of_style_layers_is_weighted_by_the_variant(variant):
    layers = list(methods.get("gatys").variant(variant).style_layers)
    stylizer = Stylizer(variant=variant, style_layers=layers)
    assert stylizer.numbers.style_layers == methods.get("gatys").variant(variant).style_layers


def test_weights_of_layers_are_factors(photograph, painting):
    light = first_losses(photograph, painting, style_layers={"block1_conv1": 1.0}, content_layers={"block2_conv1": 1})
    heavy = first_losses(photograph, painting, style_layers={"block1_conv1": 3.0}, content_layers={"block2_conv1": 2})
    assert heavy["style"] == pytest.approx(3 * light["style"], rel=1e-5)
    assert heavy["content"] == pytest.approx(2 * light["content"], rel=1e-5)


# Several styles


@eagerly()
def test_a_style_of_weight_0_has_no_say(photograph, painting, result):
    other = painting[..., ::-1]
    blended = transfer(photograph, [painting, other], style_blend=[1, 0], **PAINT)
    shared = transfer(photograph, [painting, other], **PAINT)
    np.testing.assert_allclose(blended.array, result.array, atol=1e-5)
    assert np.abs(shared.array - result.array).max() > 0.02
    assert blended.settings["style_blend"] == [1, 0] and shared.settings["style_blend"] == [0.5, 0.5]


def test_only_the_proportions_of_the_blend_count(photograph, painting):
    styles = (painting, painting[..., ::-1])
    blends = ([1, 3], [0.5, 1.5], [3, 1])
    one, same, other = (first_losses(photograph, styles, style_blend=blend) for blend in blends)
    assert one == same
    assert one["style"] != pytest.approx(other["style"], rel=0.01)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_style_scale_sets_the_long_side_of_the_style(photograph, painting, scale):
    expected = images.resize(images.fit(painting, round(48 * scale)), 40, 48)
    assert np.array_equal(start(photograph, painting, init="style", style_scale=scale), expected)


# Where to start


def test_starts_from_the_content(photograph, painting):
    assert np.array_equal(start(photograph, painting, init="content"), photograph)


def test_starts_from_the_first_style(photograph, painting):
    expected = images.resize(images.fit(painting, 48), 40, 48)
    assert np.array_equal(start(photograph, [painting, photograph], init="style"), expected)


def test_starts_from_the_content_in_the_colors_of_the_first_style(photograph, painting):
    recolored = start(photograph, [painting, photograph], init="recolored")
    style = images.fit(painting, 48).reshape(-1, 3)
    inside = ((recolored > 0) & (recolored < 1)).all(axis=-1)  # clipping moves the moments a little
    assert inside.mean() > 0.9
    np.testing.assert_allclose(recolored.reshape(-1, 3).mean(axis=0), style.mean(axis=0), atol=0.02)
    before, after, aim = (np.cov(each.reshape(-1, 3).T) for each in (photograph, recolored, style))
    assert np.linalg.norm(after - aim) < 0.5 * np.linalg.norm(before - aim)
    pixels = np.column_stack([photograph[inside], np.ones(inside.sum())])
    map_of_colors = np.linalg.lstsq(pixels, recolored[inside], rcond=None)[0]  # the same one everywhere
    np.testing.assert_allclose(pixels @ map_of_colors, recolored[inside], atol=1e-5)


def test_starts_from_noise(photograph, painting):
    levels = 255 * start(photograph, painting, init="noise")
    np.testing.assert_allclose(levels.mean(axis=(0, 1)), [123.68, 116.779, 103.939], atol=0.1)
    assert (levels - levels.mean(axis=(0, 1))).std() == pytest.approx(1, abs=0.05)


def test_starts_from_an_image(photograph, painting, photograph_file):
    mirrored = photograph[:, ::-1]
    assert np.array_equal(start(photograph, painting, init=mirrored), mirrored)
    assert np.array_equal(start(photograph, painting, init=str(photograph_file)), images.load(photograph_file))
    assert np.array_equal(start(photograph, painting, init=mirrored, size=36), images.resize(mirrored, 30, 36))


# Colors


@eagerly()
def test_luminance_keeps_the_chroma_of_the_content(photograph, painting):
    painted = transfer(photograph, painting, preserve_color="luminance", **{**PAINT, "steps": 10}).array
    inside = ((painted > 0) & (painted < 1)).all(axis=-1)  # clipping changes the chroma of the rest
    assert inside.mean() > 0.7
    yiq, kept = skimage.color.rgb2yiq(painted), skimage.color.rgb2yiq(photograph)
    np.testing.assert_allclose(yiq[inside, 1:], kept[inside, 1:], atol=1e-6)
    assert np.abs(yiq[..., 0] - kept[..., 0]).max() > 0.05


def test_match_gives_the_style_the_colors_of_the_content(photograph, painting):
    def mean_and_deviation(image):
        return np.concatenate([image.mean(axis=(0, 1)), image.std(axis=(0, 1))])

    expected = mean_and_deviation(photograph)
    as_it_is = mean_and_deviation(start(photograph, painting, init="style"))
    matched = mean_and_deviation(start(photograph, painting, init="style", preserve_color="match"))
    assert np.abs(as_it_is - expected).max() > 0.1
    np.testing.assert_allclose(matched, expected, atol=0.05)


# Variants, networks, optimizers


@eagerly()
@pytest.mark.parametrize(
    ("variant", "init", "pooling"), [("paper", "noise", "average"), ("reference", "content", "max")]
)
def test_published_variants_run_on_the_bundled_network(photograph, painting, variant, init, pooling):
    options = {"variant": variant, "backbone": "vgg16_imagenet", "size": 32, "steps": 2, "verbose": 0}
    painted = transfer(photograph, painting, **options)
    assert set(painted.history) == {"loss", "content", "style"}
    assert painted.history["loss"][-1] < painted.history["loss"][0]
    used = {name: painted.settings[name] for name in ("variant", "init", "pooling", "backbone", "optimizer")}
    expected = {
        "variant": variant,
        "init": init,
        "pooling": pooling,
        "backbone": "vgg16_imagenet",
        "optimizer": "lbfgs",
    }
    assert used == expected


def test_every_layer_of_the_default_variant_runs(photograph, painting):
    painted = transfer(photograph, painting, size=32, steps=2, verbose=0)
    assert painted.history["loss"][-1] < painted.history["loss"][0]
    assert list(painted.settings["style_layers"]) == [f"block{block}_conv1" for block in range(1, 5)]


@eagerly()
def test_a_backbone_object_gives_what_its_name_gives(photograph, painting, backbone, result):
    assert equal(transfer(photograph, painting, backbone=backbone, **PAINT), result)


@eagerly()
def test_pooling_replaces_that_of_the_backbone(photograph, painting, backbone, result):
    averaging = transfer(photograph, painting, backbone=dataclasses.replace(backbone, pooling="average"), **PAINT)
    assert equal(transfer(photograph, painting, pooling="average", **PAINT), averaging)
    assert equal(transfer(photograph, painting, pooling="average", backbone=backbone, **PAINT), averaging)
    assert averaging.settings["pooling"] == "average" and not equal(averaging, result)


@eagerly()
def test_a_keras_optimizer_is_used_and_left_as_it_was(photograph, painting):
    optimizer = keras.optimizers.RMSprop(0.01)
    painted = transfer(photograph, painting, **{**FAST, "optimizer": optimizer})
    assert equal(transfer(photograph, painting, **{**FAST, "optimizer": optimizer}), painted)
    assert int(optimizer.iterations) == 0
    settings = json.loads(json.dumps(painted.summary()))["settings"]["optimizer"]
    assert settings["name"] == optimizer.name and settings["learning_rate"] == pytest.approx(0.01)


@eagerly()
def test_adam_is_kerass(photograph, painting, result):
    optimizer = keras.optimizers.Adam(0.02, beta_2=0.99)
    assert equal(result, transfer(photograph, painting, **{**FAST, "optimizer": optimizer}))
    assert result.settings["optimizer"] == "adam"


def test_a_run_that_cannot_improve_still_has_a_history(photograph, painting):
    """Content alone, started from the content: L-BFGS has nowhere to go."""
    photograph = np.round(np.clip(photograph, 0.01, 0.99) * 2**16) / 2**16  # the grid of what L-BFGS evaluates
    painted = transfer(photograph, painting, style_weight=0, tv_weight=0, **FAST)
    np.testing.assert_array_equal(painted.array, photograph)
    assert painted.summary()["losses"]["loss"] == 0


def test_methods_have_a_line_each():
    assert list(keras_style.methods()) == list(methods.METHODS) and "gatys" in keras_style.methods()
    for name, summary in keras_style.methods().items():
        assert Stylizer(method=name).method == name
        assert summary and "\n" not in summary


# Scales


def test_a_number_of_scales_is_a_list_of_halves(photograph, painting, of_two_scales):
    by_number = transfer(photograph, painting, **{**TWO_SCALES, "scales": 2})
    assert by_number.settings["scales"] == [24, 48]
    assert equal(by_number, of_two_scales)
    assert not equal(by_number, transfer(photograph, painting, **{**TWO_SCALES, "scales": 1}))


def test_narrow_style_takes_fewer_scales_and_is_named_where_scales_are_given():
    random = np.random.default_rng(0)
    content, narrow = random.random((48, 48, 3), np.float32), random.random((24, 256, 3), np.float32)
    result = at_start(random.random((256, 256, 3), np.float32), narrow, size=256, steps=2)
    assert result.settings["scales"] == [256]
    with pytest.raises(InputError, match="style: at the coarsest scale it is 24 x 8 pixels"):
        transfer(content, random.random((16, 48, 3), np.float32), size=48, steps=2, scales=[24, 48], verbose=0)
