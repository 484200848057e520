"""Presets: what is saved is what is opened, and nothing else."""

import json
import sys
import types

import numpy as np
import pytest
from running import command, listing, python

from keras_style.errors import InputError, MissingFileError, WeightsError
from keras_style.models.cyclegan import CycleGAN
from keras_style.models.loading import presets
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.painting.painters.painter import Painter
from keras_style.painting.painters.painter_source import is_painter

PICTURE = np.random.default_rng(0).random((18, 21, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def gan():
    generators = [ResNetGenerator(1, 2, seed=seed) for seed in (1, 2)]
    return CycleGAN(generators, filters=2, discriminator="pixel", image_size=16, pool_size=3, seed=5)


@pytest.fixture
def saved(gan, tmp_path):
    return gan.save_to_preset(tmp_path / "preset", "noise to noise")


@pytest.mark.parametrize("direction", [pytest.param("a2b", marks=pytest.mark.integration), "b2a"])
def test_what_is_opened_translates_as_what_was_saved(gan, saved, direction):
    opened = CycleGAN.from_preset(saved)
    np.testing.assert_array_equal(opened.translate(PICTURE, direction), gan.translate(PICTURE, direction))
    for key in ("filters", "discriminator", "image_size", "pool_size", "seed"):
        assert opened.get_config()[key] == gan.get_config()[key], key


@pytest.mark.integration
def test_a_new_process_opens_it_and_what_keras_saved(gan, saved, tmp_path):
    np.save(tmp_path / "picture.npy", PICTURE)
    gan.compile()
    gan.save(tmp_path / "whole.keras")
    gan.generator_a2b.save(tmp_path / "generator.keras")
    program = f"""
import keras, numpy as np
from keras_style.models import CycleGAN, translate
generator = keras.saving.load_model({str(tmp_path / "generator.keras")!r})
whole = keras.saving.load_model({str(tmp_path / "whole.keras")!r})
clone = keras.models.clone_model(generator)
clone.set_weights(generator.get_weights())
picture = np.load({str(tmp_path / "picture.npy")!r})
answers = [CycleGAN.from_preset({str(saved)!r}).translate(picture), whole.translate(picture)]
answers += [translate(each, picture) for each in (generator, clone)]
assert [type(each).__name__ for each in (whole, clone)] == ["CycleGAN", "ResNetGenerator"]
np.save({str(tmp_path / "answers.npy")!r}, answers)
"""
    done = python(program)
    assert done.returncode == 0, done.stderr
    for answer in np.load(tmp_path / "answers.npy"):
        np.testing.assert_allclose(answer, gan.translate(PICTURE), atol=1e-6)


@pytest.mark.integration
def test_trained_further_it_still_opens(saved):
    opened = CycleGAN.from_preset(saved)
    opened.compile()
    images = np.random.default_rng(1).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    opened.fit(images, images, batch_size=1, epochs=1, verbose=0)
    assert not np.array_equal(opened.translate(PICTURE), CycleGAN.from_preset(saved).translate(PICTURE))


def test_names_are_those_that_are_shipped(saved, monkeypatch, tmp_path):
    monkeypatch.setattr(presets, "SHIPPED", tmp_path)
    assert presets.presets() == {"preset": "noise to noise"}
    assert presets.locate("preset") == saved
    with pytest.raises(InputError, match=r"preset is 'prest'; expected one of preset, a directory .*hf://USER/MODEL"):
        CycleGAN.from_preset("prest")


def test_every_shipped_preset_is_whole_and_opens():
    for name in presets.presets():
        if is_painter(name):
            painter = Painter.from_preset(name)
            assert painter.paint(PICTURE, next(iter(painter.styles))).array.shape == PICTURE.shape
        else:
            assert CycleGAN.from_preset(name).translate(PICTURE).shape == PICTURE.shape


def test_the_card_is_kept_and_shown(gan, saved, tmp_path, capsys):
    assert "README.md" not in listing(saved) and presets.card(saved) == ""
    carded = gan.save_to_preset(tmp_path / "carded", "noise", "# Noise\n\nTo noise.\n")
    assert presets.card(carded) == (carded / "README.md").read_text() == "# Noise\n\nTo noise.\n"
    assert command(capsys, "presets", carded)[:2] == (0, "# Noise\n\nTo noise.\n\n")
    assert command(capsys, "presets", tmp_path / "none")[0] == 2


def test_a_preset_is_not_written_over(gan, saved):
    with pytest.raises(InputError, match="holds a preset already"):
        gan.save_to_preset(saved)
    with pytest.raises(InputError, match="cannot be made a directory"):
        gan.save_to_preset(saved / presets.DESCRIPTION / "inside")


def test_damaged_missing_and_foreign_files(saved, tmp_path):
    file = saved / "generator_b2a.keras"
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(WeightsError, match=r"generator_b2a.keras: its SHA-256 is .*, expected "):
        CycleGAN.from_preset(saved)
    file.unlink()
    with pytest.raises(MissingFileError, match="no such file"):
        CycleGAN.from_preset(saved)
    with pytest.raises(MissingFileError, match=r"is no preset: it has no preset\.json"):
        CycleGAN.from_preset(tmp_path)
    (saved / "preset.json").write_text("{")
    with pytest.raises(InputError, match=r"preset.json: cannot be read"):
        CycleGAN.from_preset(saved)
    (saved / "preset.json").write_text(json.dumps({"sha256": {"../x": ""}}))
    with pytest.raises(InputError, match="expected an object with the SHA-256"):
        CycleGAN.from_preset(saved)


def test_a_preset_of_something_else(tmp_path):
    presets.save(tmp_path / "other", {"summary": ""}, {"weights.h5": b"x"})
    with pytest.raises(InputError, match=r"holds weights.h5; expected a CycleGAN's generator_a2b.keras and"):
        CycleGAN.from_preset(tmp_path / "other")


def test_the_hub_gives_a_directory(gan, saved, monkeypatch):
    asked = []
    hub = types.ModuleType("huggingface_hub")
    hub.snapshot_download = lambda name, **options: asked.append((name, options)) or str(saved)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    opened = CycleGAN.from_preset("hf://user/model")
    CycleGAN.from_preset("hf://user/model@v1.0/a")
    patterns = ["preset.json", "README.md", "*.keras", "*.style", "*.webp"]
    revisions = [None, "v1.0/a"]
    assert asked == [("user/model", {"allow_patterns": patterns, "revision": each}) for each in revisions]
    np.testing.assert_array_equal(opened.translate(PICTURE), gan.translate(PICTURE))
    for wrong in ("hf://user", "hf://user/model/more", "hf://user/model@", "hf://user@main"):
        with pytest.raises(InputError, match="expected hf://USER/MODEL or hf://USER/MODEL@REVISION"):
            CycleGAN.from_preset(wrong)

    def fail(name, **options):
        raise OSError("no\nnetwork")

    hub.snapshot_download = fail
    with pytest.raises(WeightsError, match="hf://user/model could not be downloaded: no network"):
        CycleGAN.from_preset("hf://user/model")


def test_without_the_hubs_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"pip install 'keras-style\[hub\]'"):
        CycleGAN.from_preset("hf://user/model")
