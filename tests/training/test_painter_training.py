"""Trainings of painters by a configuration: what they write, that they go on, and mistakes in one line."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from small_painters import textured

from keras_style.errors import CheckpointError, InputError, MissingFileError
from keras_style.internal.tensorflow import keras
from keras_style.training import config
from keras_style.training.run import train

SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "painter").glob("*.yaml"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Two photographs to train on, one to test, one painting, a small network."""
    root = tmp_path_factory.mktemp("pictures")
    for name, seed in {"train/a": 3, "train/b": 4, "test/c": 5, "painting": 1}.items():
        (root / name).parent.mkdir(exist_ok=True)
        Image.fromarray((255 * textured(seed)).astype(np.uint8)).save(root / f"{name}.png")
    return {
        "data": {
            "photographs": str(root / "train"),
            "test": str(root / "test"),
            "image_size": 64,
            "load_size": 64,
            "batch_size": 1,
        },
        "paintings": {"mine": str(root / "painting.png")},
        "model": {"filters": [4, 4, 4], "blocks": 1, "expand": [4, 4]},
        "loss": {"method": "moments"},
        "training": {"epochs": 2, "schedule": "step", "seed": 1},
        "evaluation": {"layers": ["block1_conv2"]},
        "logs": {"tensorboard": False},
    }


@pytest.fixture(scope="module")
def whole(settings, tmp_path_factory):
    """A training that nothing happened to."""
    return train(settings, directory=tmp_path_factory.mktemp("runs") / "whole", verbose=0)


def test_the_directory_of_a_training(whole):
    assert {each.name for each in whole.directory.iterdir()} == {
        *("backup", "best", "config.yaml", "data.json", "log.csv", "samples", "painter.keras"),
    }
    assert {each.name for each in (whole.directory / "best").iterdir()} == {"best.json", "painter.keras"}
    assert whole.epoch == 2 and not whole.stopped
    saved = keras.models.load_model(whole.directory / "painter.keras", compile=False)
    assert saved.base == whole.model.base and list(saved.styles) == ["mine"]
    best = json.loads((whole.directory / "best" / "best.json").read_text())
    assert whole.summary()["best"] == {"epoch": best["epoch"], "style_gap": best["style_gap"]}
    assert "the best by style gap (" in str(whole)


def test_defaults_are_written_down_and_open_again(whole, settings):
    full = yaml.safe_load((whole.directory / "config.yaml").read_text())
    assert full["training"]["learning_rate"] == 1e-3 and full["loss"]["stability_weight"] == 100
    assert full["evaluation"]["image_size"] == 64 and full["samples"]["every"] == 1
    again = train(full, directory=whole.directory, verbose=0)
    assert again.history == whole.history and again.model.base == whole.model.base


def test_a_longer_training_is_one_that_was_never_stopped(whole, settings, tmp_path):
    first = {**settings, "training": {**settings["training"], "epochs": 1}}
    train(first, directory=tmp_path / "run", verbose=0)
    result = train(settings, directory=tmp_path / "run", verbose=0)
    assert result.model.base == whole.model.base
    np.testing.assert_array_equal(result.model.row("mine"), whole.model.row("mine"))
    with pytest.raises(CheckpointError, match=r"loss\.stability_weight"):
        train(settings, directory=tmp_path / "run", overrides=["loss.stability_weight=3"], verbose=0)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_configurations_fit(path, monkeypatch, tmp_path):
    loaded = config.load(path)
    assert isinstance(loaded, config.PainterConfig) and len(loaded.paintings) == 2
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError, match=r"data\.photographs: no such folder: photographs .*it comes from: "):
        config.check_folders(loaded)
    for folder in (loaded.data.photographs, loaded.data.test):
        (tmp_path / folder).mkdir()
    with pytest.raises(MissingFileError, match=r"paintings\.mine: no such file"):
        config.check_folders(loaded)


def test_there_are_configurations():
    assert {path.stem for path in SHIPPED} == {"refine", "from_scratch"}


def test_names_are_those_of_the_functions_that_take_them():
    from keras_style.training.assemble_painter import FUNCTIONS

    ours = {"data": {"photographs", "test", "origin"}, "model": {"start"}}
    for section, function in FUNCTIONS.items():
        names = set(config.PainterConfig.model_fields[section].annotation.model_fields)
        assert names - set(inspect.signature(function).parameters) == ours.get(section, set())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data": {"train_a": "x"}}, ["unknown 'data.train_a'", "expected some of photographs, test"]),
        ({"loss": {"cycle_weight": 1}}, ["unknown 'loss.cycle_weight'", "method, stability_weight"]),
        ({"paintings": ["a.png"]}, ["paintings is ['a.png']"]),
        ({"training": {"epochs": 0}}, ["training.epochs is 0"]),
    ],
)
def test_mistakes_are_said_in_one_line(changes, says, settings):
    with pytest.raises(InputError) as caught:
        config.load({**settings, **changes})
    assert all(part in str(caught.value) for part in says) and "\n" not in str(caught.value)


def test_a_start_goes_without_sizes(settings, tmp_path):
    with pytest.raises(InputError, match=r"model\.start with model\.filters"):
        train(settings, directory=tmp_path / "run", overrides=["model.start=painters"], verbose=0)
    assert not (tmp_path / "run").exists()
