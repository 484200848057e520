"""`~` is the home directory wherever a path is given: for pictures, models, folders, checkpoints, settings, outputs."""

import os

import keras
import numpy as np
import pytest
import yaml
from running import FAST, command, eagerly, listing

import keras_style
from keras_style.errors import MissingFileError
from keras_style.images import folders
from keras_style.internal.paths import user_path
from keras_style.models.translated_files import translate_files
from keras_style.serving import TLS
from keras_style.training import CSVLog, Resume, Samples, TensorBoardLog

SMALL = {**FAST, "size": 32, "steps": 1, "scales": 1}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home directory with a picture and a generator; the current directory is another."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (home / "pictures").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(elsewhere)
    picture = np.random.default_rng(0).random((24, 32, 3), np.float32)
    keras_style.images.save(picture, "~/pictures/a.png")
    (home / "others").mkdir()
    keras_style.images.save(picture[:, ::-1], "~/others/b.png")
    keras_style.models.ResNetGenerator(filters=2, blocks=1).save(home / "model.keras")
    yield home
    assert listing(elsewhere) == []  # no directory "~"


def test_as_a_shell_has_it(home):
    assert user_path("~") == home and user_path("~/a") == home / "a"
    for other in ("a/~", "./~", "~nobody-of-this-name/a"):
        assert user_path(other) == keras_style.images.writing.Path(other)


@eagerly()
def test_pictures_outputs_and_checkpoints(home):
    result = keras_style.transfer("~/pictures/a.png", "~/pictures/a.png", checkpoint="~/run", **SMALL)
    result.save("~/out.png")
    assert {"out.png", "run"} <= {*listing(home)}
    with pytest.raises(MissingFileError, match=r"no such file: .*home/missing\.png"):
        keras_style.transfer("~/missing.png", "~/pictures/a.png")


def test_models_and_folders(home):
    translated = keras_style.transfer("~/pictures/a.png", model="~/model.keras", size=32)
    assert translated.array.shape == (24, 32, 3)
    ((path, _),) = translate_files(["~/pictures"], output="~/made/here", model="~/model.keras")
    assert path == home / "made/here/a.png" and path.is_file()
    assert folders.named_pictures(["~/pictures"]) == ([home / "pictures/a.png"], 0)
    data = keras_style.data.unpaired("~/pictures", ["~/others/b.png"], image_size=16)
    assert data.steps_per_epoch == 1
    assert keras_style.data.unpaired("~/pictures/*.png", "~/others", image_size=16).steps_per_epoch == 1


def test_what_training_writes(home):
    photograph = keras_style.images.load("~/pictures/a.png")
    for made in (
        Resume("~/backup").path,
        CSVLog("~/log.csv").path,
        TensorBoardLog("~/logs").directory,
        Samples("~/samples", photograph[None], photograph[None], image_size=16).directory,
    ):
        assert made.is_relative_to(home)


@pytest.mark.integration
def test_exports_and_what_serves_them(home):
    made = keras_style.export_saved_model("~/model.keras", "~/models/one")
    assert made == home / "models/one/1"
    config = keras_style.serving.models_config("~/models", base_path="/models")
    assert "/models/one" in config
    (home / "models.config").write_text(config.replace("/models/one", f"{home}/models/one"))
    for given in ({"models": "~/models"}, {"config": "~/models.config"}):
        with keras_style.server.Server(**given, port=0) as server:
            client = keras_style.serving.StyleClient(server.address, model="one")
            client.stylize("~/pictures/a.png").save("~/served.png")
            (home / "served.png").unlink()
    with pytest.raises(MissingFileError, match=r"no such file: .*ca\.pem"):
        TLS(ca="~/ca.pem").credentials()


@pytest.mark.integration
def test_on_the_command_line_and_in_yaml(home, capsys):
    options = {name: value for name, value in SMALL.items() if name != "verbose"}
    (home / "options.yaml").write_text(yaml.safe_dump({**options, "checkpoint": "~/run"}))
    words = ["~/pictures/a.png", "~/pictures/a.png", "--output=~/out.png", "--config=~/options.yaml"]
    with eagerly():
        assert command(capsys, "transfer", *words)[0] == 0
    assert {"out.png", "run"} <= {*listing(home)}
    status, _, err = command(capsys, "translate", "~/pictures", "--output=~/made", "--model=~/model.keras")
    assert (status, err) == (0, "") and listing(home / "made") == ["a.png"]
    folders = {"train_a": "~/pictures", "train_b": "~/others"}
    model = {"generator": "resnet_6", "filters": 2, "discriminator": "pixel"}
    training = {"data": {**folders, "image_size": 16}, "model": model, "training": {"epochs": 1}}
    (home / "train.yaml").write_text(yaml.safe_dump({**training, "samples": {"every": 0}}))
    status, _, err = command(capsys, "train", "~/train.yaml", "--directory=~/training", "--quiet")
    assert status == 0, err
    assert "generator_a2b.keras" in listing(home / "training")


def test_files_of_other_libraries(home):
    for opener in (keras_style.models.load_torch_generator, keras_style.models.load_legacy):
        with pytest.raises(MissingFileError, match="home/missing"):
            opener("~/missing.pth" if "torch" in opener.__name__ else "~/missing.h5")
    with pytest.raises(MissingFileError, match="home/missing"):
        keras_style.backbones.get("vgg16_imagenet_full", file="~/missing.h5")
    assert os.path.isfile(home / "model.keras") and keras.saving.load_model(home / "model.keras")
