"""Configuration files: those in the repository fit, and whatever is wrong with one is said in a line."""

import sys
from pathlib import Path

import numpy as np
import pytest
from running import command, record_transfers

import keras_style
from keras_style import Stylizer, api
from keras_style.errors import InputError, MissingFileError
from keras_style.internal import yaml_options
from keras_style.painting import methods
from keras_style.painting.texture import synthesize_texture

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted((CONFIGS / "transfer").glob("*.yaml"))
SHIPPED_TEXTURES = sorted((CONFIGS / "texture").glob("*.yaml"))


@pytest.fixture
def load(tmp_path):
    """Options of `transfer`, or of another function, from a text or from bytes."""

    def load(text: str | bytes, function=api.transfer) -> dict:
        path = tmp_path / "config.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return yaml_options.load(function, path)

    return load


def test_every_method_has_a_configuration():
    named = {path.stem: yaml_options.load(api.transfer, path)["method"] for path in SHIPPED}
    assert {method: named.get(method) for method in keras_style.methods()} == {
        each: each for each in keras_style.methods()
    }


def test_every_published_variant_has_a_configuration():
    named = [yaml_options.load(api.transfer, path) for path in SHIPPED]
    expected = {(name, variant) for name, method in methods.METHODS.items() for variant in method.variants}
    assert expected <= {(str(each["method"]), each.get("variant", "default")) for each in named}


def test_there_are_textures():
    assert any(yaml_options.load(synthesize_texture, path).get("tileable") for path in SHIPPED_TEXTURES)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_configurations_fit(path, monkeypatch, tmp_path, capsys):
    options = yaml_options.load(api.transfer, path)
    assert options
    of_call = {"content_masks", "style_masks", "checkpoint", "checkpoint_every", "verbose"}
    Stylizer(**{name: value for name, value in options.items() if name not in of_call})
    calls = record_transfers(monkeypatch)
    status, *_ = command(capsys, "transfer", "a.png", "b.png", "-o", tmp_path / "out.png", "--config", path)
    assert status == 0 and calls[0][2] == options


@pytest.mark.parametrize("path", SHIPPED_TEXTURES, ids=lambda path: path.stem)
def test_shipped_configurations_of_textures_fit(path, monkeypatch, painting):
    monkeypatch.setitem(sys.modules, "keras_style.optimize.coarse_to_fine", None)
    with pytest.raises(ImportError):  # all arguments fit: the computing begins
        synthesize_texture(np.tile(painting, (4, 4, 1)), **yaml_options.load(synthesize_texture, path))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("# only a comment\n", {}),
        ("---\n", {}),
        ("size: 64", {"size": 64}),
        ("size: '64'", {"size": 64}),
        ("scales: 2", {"scales": 2}),
        ("scales: [32, 64]", {"scales": [32, 64]}),
        ("scales:\n  - 32\n  - 64\n", {"scales": [32, 64]}),
        ("steps: null", {"steps": None}),
        ("content_weight: 2", {"content_weight": 2.0}),
        ("style_weight: 1e3", {"style_weight": 1000.0}),  # to YAML 1.1 this is text
        (
            "style_layers: {block1_conv1: 1, block2_conv1: 2.5}",
            {"style_layers": {"block1_conv1": 1, "block2_conv1": 2.5}},
        ),
        ("content_layers: [block4_conv2]", {"content_layers": ["block4_conv2"]}),
        ("style_blend: [1, 3]", {"style_blend": [1.0, 3.0]}),
        ("init: pictures/start.png", {"init": "pictures/start.png"}),
        ("backbone: vgg19_imagenet=weights.h5", {"backbone": "vgg19_imagenet=weights.h5"}),
        ("optimizer: adam\nseed: 7\nverbose: 0\n", {"optimizer": "adam", "seed": 7, "verbose": 0}),
        ("method: {gatys: 2, moments: 0.5}", {"method": {"gatys": 2, "moments": 0.5}}),
        ("photorealism_weight: 100", {"photorealism_weight": 100.0}),
        ("balance: gradient", {"balance": "gradient"}),
        ("smooth: true", {"smooth": True}),
        ("smooth: no", {"smooth": False}),
        ("smooth: null", {"smooth": None}),
        ("content_masks: labels.png", {"content_masks": "labels.png"}),
        ("content_masks: {sky: a.png, land: b.png}", {"content_masks": {"sky": "a.png", "land": "b.png"}}),
        ("content_masks: [a.png, b.png]", {"content_masks": ["a.png", "b.png"]}),
        ("style_masks: [a.png, b.png]", {"style_masks": ["a.png", "b.png"]}),
        (
            "style_masks: [labels.png, {sky: a.png}, [a.png, b.png]]",
            {"style_masks": ["labels.png", {"sky": "a.png"}, ["a.png", "b.png"]]},
        ),
        (
            "checkpoint: run\ncheckpoint_every: 5\nverbose: auto\n",
            {"checkpoint": "run", "checkpoint_every": 5, "verbose": "auto"},
        ),
    ],
    ids=repr,
)
def test_values_arrive_with_the_types_that_transfer_takes(text, options, load):
    loaded = load(text)
    assert loaded == options
    for name, value in options.items():
        assert type(loaded[name]) is type(value)
        if isinstance(value, list):
            assert [type(item) for item in loaded[name]] == [type(item) for item in value]
        if isinstance(value, dict) and not name.endswith("_masks"):
            assert {type(weight) for weight in loaded[name].values()} == {float}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sise: 64", ["unknown 'sise'", "expected some of", "size"]),
        ("sise: 64\nstep: 3\nsize: wide", ["unknown 'sise', 'step'", "size is 'wide'"]),
        ("callbacks: []", ["unknown 'callbacks'"]),
        ("content: photo.jpg", ["unknown 'content'"]),
        ("size: wide", ["size is 'wide'", "integer"]),
        ("size: 64.5", ["size is 64.5", "integer"]),
        ("size: null", ["size is None", "integer"]),
        ("steps: [1, 2]", ["steps is [1, 2]", "integer"]),
        ("style_weight: heavy", ["style_weight is 'heavy'", "number"]),
        ("style_blend: 0.5", ["style_blend is 0.5", "sequence"]),
        ("style_blend: '0.5'", ["style_blend is '0.5'", "sequence"]),
        ("content_layers: block4_conv2", ["content_layers is 'block4_conv2'", "sequence"]),
        ("method: 3", ["method is 3", "string"]),
        ("method: [gatys]", ["method is ['gatys']", "string"]),
        ("method: {gatys: heavy}", ["method is 'heavy'", "number"]),
        ("photorealism_weight: much", ["photorealism_weight is 'much'", "number"]),
        ("balance: 1", ["balance is 1", "string"]),
        ("smooth: 3", ["smooth is 3", "boolean"]),
        ("smooth: 1", ["smooth is 1", "boolean"]),
        ("smooth: 'yes'", ["smooth is 'yes'", "boolean"]),
        ("smooth: [true]", ["smooth is [True]", "boolean"]),
        ("content_masks: 3", ["content_masks is 3", "string"]),
        ("content_masks: {sky: 3}", ["content_masks is 3", "string"]),
        ("content_masks: [a.png, 3]", ["content_masks is 3", "string"]),
        ("content_masks: [[a.png]]", ["content_masks is ['a.png']", "string"]),
        ("style_masks: [{sky: 3}]", ["style_masks is 3", "string"]),
        ("content_mask: a.png", ["unknown 'content_mask'", "content_masks"]),
        ("tileable: true", ["unknown 'tileable'"]),
        ("init: 3", ["init is 3", "string"]),
        ("verbose: loud", ["verbose is 'loud'", "'auto'"]),
        ("- size", ["holds a list", "expected option: value"]),
        ("size", ["holds a str", "expected option: value"]),
        ("64: size", ["expected option: value"]),
        ("size: 64: 65", ["cannot be read as YAML", "line 1"]),
        ("size: 64\n\tsteps: 3", ["cannot be read as YAML", "line 2"]),
        ("{", ["cannot be read as YAML"]),
        ("init: !!python/object:os.system x", ["cannot be read as YAML"]),
        (b"method: \xff\xfe", ["cannot be read as YAML"]),
        (b"\x89PNG\r\n\x1a\n\0\0", ["cannot be read as YAML"]),
    ],
    ids=repr,
)
def test_what_is_wrong_is_said_in_one_line(text, says, load, tmp_path):
    with pytest.raises(InputError) as caught:
        load(text)
    message = str(caught.value)
    assert message.startswith(f"config: {tmp_path / 'config.yaml'}") and "\n" not in message
    for part in says:
        assert part in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps: yes", ["steps is True", "number"]),
        ("style_weight: true", ["style_weight is True", "number"]),
        ("method: on", ["method is True", "text"]),
        ("method: {gatys: yes}", ["method is True", "number"]),
        ("style_layers: {block1_conv1: yes}", ["style_layers is True", "number"]),
        ("style_blend: [1, on]", ["style_blend is True", "number"]),
        ("content_masks: yes", ["content_masks is True", "text"]),
        ("style_masks: [off]", ["style_masks is False", "text"]),
        ("size: 32\nsize: 64", ["size", "twice"]),
        ("method: {gatys: 1, gatys: 2}", ["gatys", "twice"]),
        ("style_masks: {sky: a.png, sky: b.png}", ["sky", "twice"]),
        ("style_layers: {block1_conv1: 1, block1_conv1: 2}", ["block1_conv1", "twice"]),
        ("style_layers: {block1_conv1: heavy}", ["'heavy'", "number"]),
    ],
    ids=repr,
)
def test_what_is_not_yet_refused(text, says, load):
    with pytest.raises(InputError) as caught:
        load(text)
    for part in says:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("size: 64", {"size": 64}),
        ("size: [512, 768]", {"size": [512, 768]}),
        ("size: null", {"size": None}),
        ("tileable: yes", {"tileable": True}),
        ("method: {gatys: 1, histogram: 1}", {"method": {"gatys": 1.0, "histogram": 1.0}}),
        ("scales: [32, 64]\nsteps: 3", {"scales": [32, 64], "steps": 3}),
    ],
    ids=repr,
)
def test_options_of_a_texture(text, options, load):
    assert load(text, synthesize_texture) == options


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("size: wide", ["size is 'wide'", "integer"]),
        ("size: [512, wide]", ["size is 'wide'", "integer"]),
        ("size: [512, 64.5]", ["size is 64.5", "integer"]),
        ("size: true", ["size is True", "truth value"]),
        ("size: [512, true]", ["size is True", "truth value"]),
        ("tileable: 3", ["tileable is 3", "boolean"]),
        ("tileable: null", ["tileable is None", "boolean"]),
        ("exemplar: a.png", ["unknown 'exemplar'"]),
        ("style_weight: 1", ["unknown 'style_weight'", "size, method, variant, tileable"]),
        ("smooth: true", ["unknown 'smooth'"]),
    ],
    ids=repr,
)
def test_what_is_wrong_with_a_texture_is_said(text, says, load):
    with pytest.raises(InputError) as caught:
        load(text, synthesize_texture)
    for part in says:
        assert part in str(caught.value)


LAUGHS = "\n".join(f"a{level + 1}: &a{level + 1} [{', '.join([f'*a{level}'] * 9)}]" for level in range(9))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("style_masks: &a [*a]", "holds an alias"),
        (f"a0: &a0 [lol]\n{LAUGHS}", "holds an alias"),
        ("size: &a 64\nsteps: *a", "holds an alias"),
        ("[" * 20_000, "levels deep"),
        ("size: " + "[" * 30_000 + "]" * 30_000, "levels deep"),
        ("size: " + "{a: " * 5000, "levels deep"),
        ("size: " + "9" * 5000, "4300 digits"),
        ("size: 0b_", "invalid literal"),
        ("init: 2001-99-99", "month must be"),
        ("size: 64\n" * 10_000, "more than 65,536 bytes"),
        (f"init: {'x' * 60_000}\nsize: {'y' * 3000}", "size is 'yyy"),
        ("".join(f"unknown_{index}: {index}\n" for index in range(3500)), "and 3,488 more; expected some of"),
        ("".join(f"unknown_{index % 3499}: {index}\n" for index in range(3500)), "unknown_0 is given twice"),
        ("style_layers: {" + ", ".join(f"a{index}: b" for index in range(5000)) + "}", "unable to parse"),
    ],
    ids=["list in itself", "laughs", "alias", *["deep"] * 3, *["digits"] * 2, "date", "long", *["values"] * 4],
)
def test_a_hostile_file_ends_in_a_short_line(text, says, load):
    with pytest.raises(InputError) as caught:
        load(text)
    assert says in str(caught.value) and len(str(caught.value)) < 1200


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_file_of_an_editor_of_windows(encoding, load):
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    assert load((mark + "init: M\u00fcnchen.png\r\nsize: 64\r\n").encode(encoding)) == {
        "init": "M\u00fcnchen.png",
        "size": 64,
    }


def test_a_file_that_never_ends():
    with pytest.raises(InputError, match="cannot be read as YAML"):
        yaml_options.load(api.transfer, "/dev/zero")


def test_a_value_of_any_kind_is_shown_in_short():
    nested = []
    for _ in range(40):
        nested = [nested] * 40
    for value in (nested, 10**5000, {10**5000}, "x" * 10**6, dict.fromkeys(range(10**5))):
        for given in ({"method": value}, {"size": value}, {"style_layers": value}):
            with pytest.raises(InputError) as caught:
                Stylizer(**given)
            assert len(str(caught.value)) < 1300


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"^config: no such file: .*missing\.yaml$"):
        yaml_options.load(api.transfer, tmp_path / "missing.yaml")


def test_a_directory_is_named(tmp_path):
    with pytest.raises(InputError, match=f"^config: {tmp_path} cannot be read as YAML"):
        yaml_options.load(api.transfer, str(tmp_path))


def test_the_written_out_defaults_are_the_defaults():
    written = yaml_options.load(api.transfer, SHIPPED[0].with_name("gatys.yaml"))
    variant = methods.get("gatys").variant("default")
    assert written.pop("scales") == [128, 256, 512]
    assert (written.pop("method"), written.pop("variant"), written.pop("size")) == ("gatys", "default", Stylizer.size)
    assert written == {name: getattr(variant, name) for name in written}


@pytest.mark.parametrize("method", keras_style.methods())
def test_what_a_method_is_shown_with_is_its_own(method):
    written = yaml_options.load(api.transfer, CONFIGS / "transfer" / f"{method}.yaml")
    variant = methods.get(method).variant("default")
    numbers = {name: value for name, value in written.items() if name not in ("method", "variant", "size", "scales")}
    assert numbers == {name: getattr(variant, name) for name in numbers}
