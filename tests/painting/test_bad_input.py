"""Whatever is wrong with the input is said in one line, at once, in Python and on the command line alike."""

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from picture_files import read
from PIL import Image
from running import FAST, as_arguments, command, listing, record_transfers

import keras_style
from keras_style import synthesize_texture, transfer
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras

GRAY = np.full((40, 48, 3), 0.5, np.float32)


def with_nan() -> np.ndarray:
    image = GRAY.copy()
    image[3, 4, 1] = np.nan
    return image


def masks(content: object, style: object = "labels_style.png") -> dict:
    return {"content_masks": content, "style_masks": style}


# What a user passes by a path, a word or a number: (content and options, what the message says).
# The first text of each also stands in the command line's message, which words types in its own way.
TYPED = {
    "missing file": ({"content": "missing.png"}, ["missing.png", "content", "no such file"]),
    "directory": ({"content": "folder"}, ["folder", "is a directory", "expected a file"]),
    "text called .jpg": ({"content": "text.jpg"}, ["text.jpg", "not an image", "PNG, JPEG, WebP, TIFF or BMP"]),
    "truncated JPEG": ({"content": "cut.jpg"}, ["cut.jpg", "cut short"]),
    "empty file": ({"content": "empty.png"}, ["empty.png", "is empty", "PNG, JPEG, WebP, TIFF or BMP"]),
    "one pixel": ({"content": "pixel.png"}, ["pixel.png", "1 x 1 pixels", "at least 16"]),
    "huge": ({"content": "huge.png"}, ["huge.png", "20000 x 20000 pixels", "at most 100,000,000"]),
    "thin": ({"content": "thin.png"}, ["48 x 2 pixels", "at least 16"]),
    "missing style": ({"style": "missing.png"}, ["missing.png", "style", "no such file"]),
    "missing second style": ({"style": ["good.png", "missing.png"]}, ["style 2", "missing.png", "no such file"]),
    "style of one pixel": ({"style": "pixel.png"}, ["pixel.png", "style", "1 x 1 pixels", "at least 16"]),
    "init that is no image": ({"init": "blue"}, ["init", "blue", "content, recolored, style, noise"]),
    "init of other proportions": ({"init": "wide.png"}, ["init", "48 x 16", "proportions of the result, 48 x 40"]),
    "damaged init": ({"init": "cut.jpg"}, ["init", "cut.jpg", "cut short"]),
    "method": ({"method": "picasso"}, ["method", "picasso", "expected one of gatys"]),
    "variant": ({"variant": "fast"}, ["variant", "fast", "expected one of default, paper, reference"]),
    "backbone": ({"backbone": "resnet50"}, ["backbone", "resnet50", "vgg16_imagenet"]),
    "pooling": ({"pooling": "mean"}, ["pooling", "mean", "expected one of max, average"]),
    "optimizer": ({"optimizer": "sgd"}, ["optimizer", "sgd", "adam, lbfgs"]),
    "preserve_color": ({"preserve_color": "hue"}, ["preserve_color", "hue", "expected one of luminance, match"]),
    "content layer": ({"content_layers": ["conv1"]}, ["content_layers", "'conv1'", "block1_conv1"]),
    "style layer": ({"style_layers": ["block1_conv1", "relu"]}, ["style_layers", "'relu'", "block5_conv1"]),
    "layer beyond": ({"style_layers": ["block5_conv2"]}, ["style_layers", "'block5_conv2'", "block5_conv1"]),
    "layer of VGG19": (
        {"style_layers": ["block5_conv4"], "backbone": "vgg16_imagenet_full"},
        ["style_layers", "'block5_conv4'", "block5_conv3"],
    ),
    "layer twice": ({"style_layers": ["block1_conv1"] * 2}, ["style_layers", "block1_conv1", "each layer once"]),
    "no layers": ({"content_layers": []}, ["content_layers", "[]", "expected a list of layers"]),
    "negative layer": (
        {"style_layers": {"block1_conv1": -1.0}},
        ["style_layers", "block1_conv1", "-1.0", "at least 0"],
    ),
    "negative weight": ({"content_weight": -1.0}, ["content_weight", "-1.0", "at least 0"]),
    "NaN weight": ({"style_weight": float("nan")}, ["style_weight", "nan", "expected a number"]),
    "infinite weight": ({"tv_weight": float("inf")}, ["tv_weight", "inf", "expected a number"]),
    "no steps": ({"steps": 0}, ["steps", "is 0", "whole number from 1"]),
    "half a step": ({"steps": 2.5}, ["steps", "2.5", "whole number from 1"]),
    "steps as a word": ({"steps": "many"}, ["steps", "'many'", "whole number from 1"]),
    "more scales than steps": ({"scales": 2, "steps": 1}, ["scales", "1 steps for 2", "at least one for each"]),
    "no scales": ({"scales": 0}, ["scales", "is 0", "from 1 to 1000"]),
    "scales too small": ({"scales": 4}, ["scale", "6 x 5 pixels", "at least 16"]),
    "scales out of order": ({"scales": [48, 24]}, ["scales", "[48, 24]", "increasing"]),
    "scales that miss the size": ({"scales": [24, 32]}, ["scales", "[24, 32]", "the last one 48"]),
    "size too small": ({"size": 15}, ["size", "is 15", "from 16 to 10000"]),
    "size absurd": ({"size": 1_000_000}, ["size", "1000000", "from 16 to 10000"]),
    "negative size": ({"size": -48}, ["size", "-48", "from 16 to 10000"]),
    "negative seed": ({"seed": -1}, ["seed", "-1", "from 0"]),
    "blend too long": ({"style_blend": [0.5, 0.5]}, ["style_blend", "[0.5, 0.5]", "expected 1 weight"]),
    "blend too short": (
        {"style": ["good.png", "good.png"], "style_blend": [1.0]},
        ["style_blend", "[1.0]", "expected 2 weights"],
    ),
    "negative blend": ({"style_blend": [-1.0]}, ["style_blend", "-1.0", "at least 0"]),
    "blend of zeros": ({"style": ["good.png", "good.png"], "style_blend": [0.0, 0.0]}, ["style_blend", "above 0"]),
    "NaN blend": ({"style_blend": [float("nan")]}, ["style_blend", "nan", "expected a number"]),
    "style_scale 0": ({"style_scale": 0.0}, ["style_scale", "0.0", "from 0.01 to 10"]),
    "style_scale too small": ({"style_scale": 0.2}, ["style_scale", "0.2", "10 x 7 pixels", "at least 16"]),
    "checkpoint_every 0": ({"checkpoint_every": 0}, ["checkpoint_every", "is 0", "from 1"]),
    "unknown method of two": (
        {"method": {"gatys": 1.0, "picasso": 1.0}},
        ["method", "picasso", "expected one of gatys"],
    ),
    "negative share": ({"method": {"gatys": 1.0, "moments": -0.5}}, ["method", "moments", "-0.5", "at least 0"]),
    "NaN share": ({"method": {"gatys": float("nan")}}, ["method", "gatys", "nan", "expected a number"]),
    "all shares 0": ({"method": {"gatys": 0.0, "moments": 0.0}}, ["method", "moments", "a share above 0"]),
    "variant of one of two": (
        {"method": {"gatys": 1.0, "moments": 1.0}, "variant": "paper"},
        ["variant", "moments", "paper", "expected one of default"],
    ),
    "negative photorealism": ({"photorealism_weight": -1.0}, ["photorealism_weight", "-1.0", "at least 0"]),
    "balance": ({"balance": "length"}, ["balance", "length", "expected one of gradient"]),
    "balance with L-BFGS": ({"balance": "gradient", "optimizer": "lbfgs"}, ["balance", "lbfgs", "adam"]),
    "no masks of the style": ({"content_masks": "labels.png"}, ["content_masks", "without style_masks", "both"]),
    "no masks of the content": ({"style_masks": ["half.png"]}, ["style_masks", "without content_masks", "both"]),
    "missing label image": (masks("missing.png"), ["content_masks", "missing.png", "no such file"]),
    "missing mask": (masks({"sky": "missing.png"}), ["content_masks", "sky", "missing.png", "no such file"]),
    "missing mask of the style": (
        masks({"sky": "half.png"}, {"sky": "missing.png"}),
        ["style_masks", "sky", "missing.png", "no such file"],
    ),
    "mask that is text": (masks("text.jpg"), ["content_masks", "text.jpg", "not an image"]),
    "labels of other proportions": (masks("wide.png"), ["content_masks", "48 x 16", "same proportions"]),
    "photograph as labels": (masks("good.png"), ["content_masks", "good.png", "colors"]),
    "regions of one side": (
        masks({"sky": "half.png"}, {"land": "half_style.png"}),
        ["content_masks", "'sky'", "'land'", "same regions in both"],
    ),
    "masks of one of two styles": (
        {"style": ["style.png", "style.png"], **masks("labels.png", "labels_style.png")},
        ["style_masks", "list of 2", "masks of each style"],
    ),
}

# What only Python can pass.
PYTHON_ONLY = {
    "nothing": ({"content": None}, ["content", "NoneType", "expected a path"]),
    "number": ({"style": 3}, ["style", "int", "expected a path"]),
    "no styles": ({"style": []}, ["style", "empty list", "at least one"]),
    "NaN": ({"content": with_nan()}, ["content", "NaN", "expected finite"]),
    "gray array": ({"content": GRAY[..., 0]}, ["content", "(40, 48)", "expected an array (height, width, 3)"]),
    "four channels": (
        {"style": np.zeros((40, 48, 4), np.float32)},
        ["style", "(40, 48, 4)", "expected an array (height, width, 3)"],
    ),
    "batch": ({"content": GRAY[None]}, ["content", "(1, 40, 48, 3)", "expected an array (height, width, 3)"]),
    "0 to 255": ({"content": GRAY * 255}, ["content", "127.5", "expected [0, 1]"]),
    "below 0": ({"style": GRAY - 1}, ["style", "-0.5", "expected [0, 1]"]),
    "whole numbers": ({"content": np.ones((40, 48, 3), int)}, ["content", "int64", "uint8 or floating point"]),
    "init array": ({"init": GRAY[:20]}, ["init", "48 x 20", "proportions of the result, 48 x 40"]),
    "method list": ({"method": ["gatys"]}, ["method", "['gatys']", "expected one of gatys"]),
    "pooling number": ({"pooling": 2}, ["pooling", "2", "expected one of max, average"]),
    "steps true": ({"steps": True}, ["steps", "True", "whole number from 1"]),
    "steps 3.0": ({"steps": 3.0}, ["steps", "3.0", "whole number from 1"]),
    "weight as text": ({"style_weight": "1"}, ["style_weight", "'1'", "expected a number"]),
    "weight true": ({"tv_weight": True}, ["tv_weight", "True", "expected a number"]),
    "layers as text": ({"style_layers": "block1_conv1"}, ["style_layers", "'block1_conv1'", "list of layers"]),
    "blend as number": ({"style_blend": 1.0}, ["style_blend", "1.0", "expected 1 weight"]),
    "optimizer number": ({"optimizer": 0.1}, ["optimizer", "0.1", "adam, lbfgs"]),
    "backbone number": ({"backbone": 16}, ["backbone", "16", "vgg16_imagenet"]),
    "no methods": ({"method": {}}, ["method", "{}", "expected one of gatys"]),
    "share true": ({"method": {"gatys": True}}, ["method", "gatys", "True", "expected a number"]),
    "smooth 3": ({"smooth": 3}, ["smooth", "3", "expected True or False"]),
    "balance true": ({"balance": True}, ["balance", "True", "expected one of gradient"]),
    "masks as a number": (masks(3), ["content_masks", "int", "expected a path"]),
    "no regions": (masks({}), ["content_masks", "empty", "at least one mask"]),
    "no list of masks": (masks([]), ["content_masks", "empty", "at least one mask"]),
}

# Of a texture: (exemplar and options, what the message says), as TYPED.
TEXTURE = {
    "missing exemplar": ({"exemplar": "missing.png"}, ["missing.png", "exemplar", "no such file"]),
    "photo": ({"method": "photo"}, ["photo", "keeps a photograph", "for a texture"]),
    "photo among others": ({"method": {"gatys": 1.0, "photo": 0.1}}, ["photo", "keeps a photograph", "for a texture"]),
    "unknown method": ({"method": "picasso"}, ["method", "picasso", "expected one of gatys"]),
    "unknown of two": ({"method": {"gatys": 1.0, "picasso": 1.0}}, ["method", "picasso", "expected one of gatys"]),
    "negative share": ({"method": {"gatys": -1.0}}, ["method", "gatys", "-1.0", "at least 0"]),
    "shares of 0": ({"method": {"gatys": 0.0}}, ["method", "a share above 0"]),
    "size 0": ({"size": 0}, ["size", "is 0", "from 16 to 10000"]),
    "size too small": ({"size": [48, 15]}, ["size", "is 15", "from 16 to 10000"]),
    "size absurd": ({"size": [48, 1_000_000]}, ["size", "1000000", "from 16 to 10000"]),
    "three sides": ({"size": [48, 48, 3]}, ["size", "48", "expected (height, width)"]),
    "style layer": ({"style_layers": ["relu"]}, ["style_layers", "'relu'", "block5_conv1"]),
    "no steps": ({"steps": 0}, ["steps", "is 0", "whole number from 1"]),
    "negative seed": ({"seed": -1}, ["seed", "-1", "from 0"]),
}

NOT_YET_REFUSED = {
    "variant list": ({"variant": ["paper"]}, ["variant", "['paper']", "default, paper, reference"]),
    "half a scale": ({"scales": 2.5}, ["scales", "2.5", "expected"]),
    "scales true": ({"scales": True}, ["scales", "True", "expected"]),
    "scales with text": ({"scales": [24, "48"]}, ["scales", "'48'", "expected"]),
    "scales with halves": ({"scales": [24.5, 48]}, ["scales", "24.5", "expected"]),
    "optimizer class": ({"optimizer": keras.optimizers.Adam}, ["optimizer", "Adam", "expected"]),
    "verbose": ({"verbose": "loud"}, ["verbose", "'loud'", "expected"]),
    "callbacks": ({"callbacks": print}, ["callbacks", "print", "expected"]),
    "callback": ({"callbacks": [3]}, ["callbacks", "3", "expected"]),
    "huge weight": ({"style_weight": 10**400}, ["style_weight", "expected a number"]),
}


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch, photograph_file, painting_file) -> Path:
    """The damaged and odd files that the tables name, in the working directory."""
    folder = tmp_path / "input"
    (folder / "folder").mkdir(parents=True)
    (folder / "text.jpg").write_text("This is not a picture.\n")
    (folder / "empty.png").write_bytes(b"")
    photograph, painting = (Image.fromarray(read(path)) for path in (photograph_file, painting_file))
    photograph.save(folder / "good.png")
    painting.save(folder / "style.png")
    photograph.save(folder / "whole.jpg")
    data = (folder / "whole.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    Image.new("RGB", (1, 1)).save(folder / "pixel.png")
    Image.new("RGB", (480, 20)).save(folder / "thin.png")
    Image.new("RGB", (48, 16)).save(folder / "wide.png")
    for name, (width, height) in {"": photograph.size, "_style": painting.size}.items():
        half = np.zeros((height, width), np.uint8)
        half[: height // 2] = 255
        Image.fromarray(half).save(folder / f"half{name}.png")
        Image.fromarray(half).convert("RGB").save(folder / f"labels{name}.png")
    (folder / "huge.png").write_bytes(claiming_size(20_000, (folder / "pixel.png").read_bytes()))
    monkeypatch.chdir(folder)
    return folder


def claiming_size(side: int, png: bytes) -> bytes:
    """A PNG file whose header says `side` x `side`."""
    header = b"IHDR" + struct.pack(">II", side, side) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


@pytest.fixture
def without_tensorflow(monkeypatch):
    """Whoever gets as far as the part that computes fails to import it."""
    monkeypatch.setitem(sys.modules, "keras_style.optimize.coarse_to_fine", None)


def refusal(given: dict) -> str:
    options = {"content": "good.png", "style": "style.png", **FAST, **given}
    with pytest.raises(InputError) as caught:
        transfer(options.pop("content"), options.pop("style"), **options)
    return str(caught.value)


def assert_says(message: str, texts: list[str]) -> None:
    assert "\n" not in message
    for text in texts:
        assert text in message


def rows(table: dict) -> list:
    return [pytest.param(given, texts, id=name) for name, (given, texts) in table.items()]


@pytest.mark.parametrize(("given", "texts"), rows(TYPED | PYTHON_ONLY))
def test_refused_before_tensorflow_is_needed(given, texts, without_tensorflow):
    assert_says(refusal(given), texts)


@pytest.mark.parametrize(("given", "texts"), rows(NOT_YET_REFUSED))
def test_refused_in_one_line(given, texts):
    assert_says(refusal(given), texts)


@pytest.mark.parametrize(("given", "texts"), rows(TEXTURE))
def test_a_texture_is_refused_before_tensorflow_is_needed(given, texts, without_tensorflow):
    with pytest.raises(InputError) as caught:
        synthesize_texture(**{"exemplar": "style.png", "verbose": 0, **given})
    assert_says(str(caught.value), texts)


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ({"content_weight": 0, "style_weight": 0, "tv_weight": 0}, ["weight above 0", "of weight 0"]),
        (
            {"backbone": "vgg16_imagenet=missing.h5"},
            ["vgg16_imagenet is in the package", "expected vgg16_imagenet_full=missing.h5"],
        ),
        ({"backbone": "vgg16_imagenet_full=missing.h5"}, ["vgg16_imagenet_full", "no such file: missing.h5"]),
    ],
    ids=["all weights 0", "file of what is in the package", "missing weights file"],
)
def test_refused_once_the_network_is_there(given, texts):
    assert_says(refusal(given), texts)


def test_the_stylizer_refuses_its_parameters_when_made():
    for name in ("method", "variant", "optimizer", "pooling", "no steps", "size absurd", "style layer", "NaN weight"):
        given, texts = TYPED[name]
        with pytest.raises(InputError) as caught:
            keras_style.Stylizer(**given)
        assert_says(str(caught.value), texts)


# The command line


def refused_command(capsys, output: Path, given: dict) -> str:
    """The one line on standard error, after checking all that must not happen."""
    options = {"content": "good.png", "style": "style.png", **FAST, **given}
    content, style = options.pop("content"), options.pop("style")
    styles = style if isinstance(style, list) else [style]
    before = listing(output.parent)
    status, out, err = command(capsys, "transfer", content, *styles, "--output", output, *as_arguments(options))
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("keras-style: ") and err.endswith("\n")
    assert listing(output.parent) == before
    return line


@pytest.mark.parametrize(("given", "texts"), rows(TYPED))
def test_command_line_refuses_in_one_line(given, texts, tmp_path, capsys, without_tensorflow):
    assert texts[0] in refused_command(capsys, tmp_path / "out.png", given)


@pytest.mark.parametrize(("given", "texts"), rows(TEXTURE))
def test_command_line_refuses_a_texture_in_one_line(given, texts, files, capsys, without_tensorflow):
    options = {"verbose": 0, **given}
    exemplar = options.pop("exemplar", "style.png")
    before = listing(files)
    status, out, err = command(capsys, "texture", exemplar, "-o", "out.png", *as_arguments(options))
    assert (status, out, listing(files)) == (2, "", before)
    (line,) = err.splitlines()
    assert line.startswith("keras-style: ") and texts[0] in line


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("method: {picasso: 1}", ["method", "picasso", "expected one of gatys"]),
        ("method: {gatys: -1}", ["method", "gatys", "-1", "at least 0"]),
        ("method: {gatys: 0}", ["method", "a share above 0"]),
        ("smooth: 3", ["config.yaml", "smooth is 3"]),
        ("size: on", ["config.yaml", "size is True"]),
        ("style_masks: labels_style.png", ["style_masks without content_masks"]),
        ("content_masks: [missing.png]\nstyle_masks: [half_style.png]", ["content_masks", "no such file: missing.png"]),
    ],
    ids=repr,
)
def test_a_configuration_is_refused_in_one_line(text, texts, files, capsys, without_tensorflow):
    (files / "config.yaml").write_text(text)
    line = ["transfer", "good.png", "style.png", "-o", "out.png", "--config", "config.yaml"]
    status, out, err = command(capsys, *line)
    assert (status, out) == (2, "") and "out.png" not in listing(files)
    assert_says(err.removesuffix("\n"), texts)


def test_command_line_refuses_in_one_line_once_the_network_is_there(tmp_path, capsys):
    weights = {"content_weight": 0, "style_weight": 0, "tv_weight": 0}
    assert "weight above 0" in refused_command(capsys, tmp_path / "out.png", weights)


@pytest.mark.parametrize(
    ("output", "texts"),
    [
        ("folder.png", ["folder.png", "a directory", "expected a file"]),
        ("missing/out.png", ["missing/out.png", "no such directory"]),
        ("style.png/out.png", ["style.png/out.png"]),
        ("out.gif", ["out.gif", "'.gif'", ".png, .jpg, .jpeg, .webp"]),
        ("out", ["out", "suffix ''", ".png, .jpg, .jpeg, .webp"]),
    ],
)
def test_unwritable_output_is_refused_before_any_work(output, texts, files, monkeypatch, capsys):
    (files / "folder.png").mkdir()
    calls = record_transfers(monkeypatch)
    before = listing(files)
    status, out, err = command(capsys, "transfer", "good.png", "style.png", "-o", output)
    assert (status, out, listing(files), calls) == (2, "", before, [])
    assert_says(err.removesuffix("\n"), texts)


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_impossible_quality_is_refused_before_any_work(quality, files, monkeypatch, capsys):
    calls = record_transfers(monkeypatch)
    status, out, err = command(capsys, "transfer", "good.png", "style.png", "-o", "out.jpg", "--quality", quality)
    assert (status, out, calls) == (2, "", [])
    assert_says(err.removesuffix("\n"), ["quality", str(quality), "100"])


def test_layer_given_twice_is_refused(tmp_path, capsys, monkeypatch):
    record_transfers(monkeypatch)
    line = refused_command(capsys, tmp_path / "out.png", {"style_layers": "block1_conv1=1,block1_conv1=2"})
    assert_says(line, ["style_layers", "block1_conv1"])


@pytest.mark.parametrize("value", ["block1_conv1=", "block1_conv1=heavy", "=1", "block1_conv1=1,block2_conv1"])
def test_malformed_layer_weights_are_refused(value, tmp_path, capsys, without_tensorflow):
    assert "style_layers" in refused_command(capsys, tmp_path / "out.png", {"style_layers": value})


@pytest.mark.parametrize("value", ["gatys=", "gatys=half", "=1", "gatys=1,moments", "gatys=1,gatys=2", "gatys,moments"])
def test_malformed_shares_are_refused(value, tmp_path, capsys, without_tensorflow):
    assert "method" in refused_command(capsys, tmp_path / "out.png", {"method": value})


@pytest.mark.parametrize("value", ["sky=half.png,half.png", "sky=half.png,sky=half.png", "=half.png", "sky=", "", ","])
def test_malformed_masks_are_refused(value, tmp_path, capsys, without_tensorflow):
    assert "content_masks" in refused_command(capsys, tmp_path / "out.png", masks(value))


def test_masks_of_one_style_given_twice_are_refused(files, capsys, without_tensorflow):
    given = [
        "--content-mask",
        "sky=half.png",
        "--style-mask",
        "sky=half_style.png",
        "--style-mask",
        "sky=half_style.png",
    ]
    status, _, err = command(capsys, "transfer", "good.png", "style.png", "-o", "out.png", *given)
    assert status == 2 and len(err.splitlines()) == 1 and "style_masks" in err


def test_existing_output_stays_when_the_input_is_refused(files, capsys):
    output = files / "out.png"
    output.write_bytes(b"yesterday's picture")
    refused_command(capsys, output, {"content": "missing.png"})
    assert output.read_bytes() == b"yesterday's picture"
