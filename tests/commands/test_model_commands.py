"""The commands for learned models: what they write and print, and what they refuse before they load anything."""

import json

import numpy as np
import pytest
from PIL import Image
from running import command

from keras_style import images
from keras_style.models.cyclegan import CycleGAN
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.translation import translate


@pytest.fixture(scope="module")
def gan():
    generators = [ResNetGenerator(1, 2, seed=seed) for seed in (1, 2)]
    return CycleGAN(generators, filters=2, discriminator="pixel", image_size=16, pool_size=2, seed=1)


@pytest.fixture(scope="module")
def preset(gan, tmp_path_factory):
    return gan.save_to_preset(tmp_path_factory.mktemp("presets") / "noise", "noise to noise")


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name, size in (("one.png", (18, 21)), ("two.jpg", (18, 21)), ("three.webp", (16, 16))):
        Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_one_picture(gan, preset, photographs, tmp_path, capsys):
    arguments = [photographs / "one.png", "-o", tmp_path / "out.png", "--model", preset, "--direction", "b2a"]
    status, out, err = command(capsys, "translate", *arguments)
    assert (status, out, err) == (0, f"{tmp_path / 'out.png'}: 21 x 18 pixels\n", "")
    expected = translate(gan.generator_b2a, photographs / "one.png")
    assert np.abs(images.load(tmp_path / "out.png") - expected).max() <= 0.5 / 255 + 1e-5


@pytest.mark.parametrize("batch_size", [1, 2])
def test_folders_and_files_go_to_a_directory(gan, preset, photographs, tmp_path, capsys, batch_size):
    arguments = [photographs, "--output", tmp_path / "some" / "out", "-m", preset, "--batch-size", batch_size, "--json"]
    status, out, _ = command(capsys, "translate", *arguments)
    names = ["one.png", "three.png", "two.png"]
    assert status == 0
    assert json.loads(out)["outputs"] == [str(tmp_path / "some" / "out" / name) for name in names]
    assert sorted(file.name for file in (tmp_path / "some" / "out").iterdir()) == names
    expected = translate(gan.generator_a2b, photographs / "three.webp")
    assert np.abs(images.load(tmp_path / "some" / "out" / "three.png") - expected).max() <= 0.5 / 255 + 1e-5


def test_of_several_pictures_those_that_cannot_be_read_are_left_out(preset, photographs, tmp_path, capsys):
    (photographs / "broken.png").write_bytes(b"no picture")
    (photographs / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (photographs / "folder.png").mkdir()
    arguments = [photographs, "-o", tmp_path / "out", "-m", preset, "--batch-size", 3]
    status, out, err = command(capsys, "translate", *arguments)
    assert status == 1 and out.count("pixels") == 3
    broken, gone, others = err.splitlines()
    assert broken.startswith(f"keras-style: {photographs / 'broken.png'}: picture: ") and "not an image" in broken
    assert gone == f"keras-style: {photographs / 'gone.jpg'}: picture: no such file: {photographs / 'gone.jpg'}"
    assert others == "keras-style: left out, since they are no pictures by their suffix: 1"
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["one.png", "three.png", "two.png"]
    status, out, _ = command(capsys, "translate", *arguments, "--json", "--overwrite")
    assert status == 1 and len(json.loads(out)["outputs"]) == 3
    assert json.loads(out)["left_out"] == 1
    assert list(json.loads(out)["failed"]) == [str(photographs / name) for name in ("broken.png", "gone.jpg")]
    status, out, err = command(capsys, "translate", photographs / "broken.png", "-o", tmp_path / "a.png", "-m", preset)
    assert (status, out, err.count("\n")) == (2, "", 1)


def test_pictures_that_are_there_are_not_replaced(preset, photographs, tmp_path, capsys):
    before = {file: file.read_bytes() for file in photographs.iterdir()}
    status, out, err = command(capsys, "translate", photographs, "-o", photographs, "-m", preset)
    assert (status, out) == (2, "") and "would replace the picture" in err
    assert {file: file.read_bytes() for file in photographs.iterdir()} == before


def test_a_tile_and_a_width_are_handed_on(preset, photographs, tmp_path, capsys, monkeypatch):
    seen = []

    def translated(generator, pictures, batch_size, tile, width):
        seen.append((tile, width))
        return [images.load(picture) for picture in pictures]

    monkeypatch.setattr("keras_style.models.translation.translate", translated)
    arguments = [photographs / "one.png", "-o", tmp_path / "out.png", "-m", preset, "--tile", 16, "--width", 32]
    assert command(capsys, "translate", *arguments)[0] == 0
    assert seen == [(16, 32)]


def test_one_picture_to_a_directory_that_is_there(preset, photographs, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    status, _, _ = command(capsys, "translate", photographs / "two.jpg", "-o", tmp_path / "out", "-m", preset)
    assert status == 0
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["two.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png", "-o", "out.png", "-m", "x"], "no such file or folder: missing.png"),
        ([".", "-o", "out", "-m", "x"], "holds no picture"),
        (["photographs", "-o", "out.png", "-m", "x"], "expected a directory for 3 pictures"),
        (["photographs", "-o", "photographs/one.png/out", "-m", "x"], "out cannot be made a directory"),
        (["photographs/one.png", "-o", "no/out.png", "-m", "x"], "no/out.png"),
        (
            ["photographs/one.png", "photographs", "-o", "out", "-m", "x"],
            "photographs/one.png and photographs/one.png would both become one.png",
        ),
        (["photographs", "-o", "out", "-m", "x", "--direction", "a2c"], "direction is 'a2c'"),
        (["photographs", "-o", "out", "-m", "x", "--batch-size", "0"], "batch_size is 0"),
        (["photographs", "-o", "out", "-m", "x", "--tile", "0"], "tile is 0"),
        (["photographs", "-o", "out", "-m", "x"], "preset is 'x'"),
        (["photographs", "-o", "out", "-m", "x.keras"], "no such file: x.keras"),
    ],
)
def test_mistakes_write_nothing(arguments, message, photographs, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    status, out, err = command(capsys, "translate", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["photographs"]


def test_presets_are_listed(preset, monkeypatch, capsys):
    monkeypatch.setattr("keras_style.models.loading.presets.SHIPPED", preset.parent)
    assert command(capsys, "presets")[:2] == (0, "noise: noise to noise\n")
    assert json.loads(command(capsys, "presets", "--json")[1]) == {"noise": "noise to noise"}


def test_training_of_what_is_not_there(tmp_path, capsys):
    status, out, err = command(capsys, "train", tmp_path / "none.yaml")
    assert (status, out) == (2, "")
    assert "none.yaml" in err
    assert err.count("\n") == 1
