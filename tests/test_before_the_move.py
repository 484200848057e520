"""Files that the package wrote before its modules moved into rooms open, and stopped trainings go on.

Made by tests/fixtures/before_the_move/make.py.
"""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from session import Served

import keras_style
from keras_style.errors import CheckpointError
from keras_style.internal.tensorflow import keras
from keras_style.models import open_generator

FILES = Path(__file__).parent / "fixtures" / "before_the_move" / "files.tar.xz"


@pytest.fixture(scope="module")
def before(tmp_path_factory) -> Path:
    with tarfile.open(FILES) as together:
        folder = tmp_path_factory.mktemp("files")
        together.extractall(folder, filter="data")
    return folder / "before"


@pytest.fixture(scope="module")
def expected(before):
    with np.load(before / "expected.npz") as arrays:
        return dict(arrays)


def test_a_cyclegan(before, expected):
    gan = keras.saving.load_model(before / "gan.keras")
    np.testing.assert_allclose(gan.translate(expected["picture"], direction="a2b"), expected["a2b"], atol=1e-5)


def test_a_generator(before, expected):
    generator = open_generator(before / "generator.keras")
    np.testing.assert_allclose(keras_style.models.translate(generator, expected["picture"]), expected["a2b"], atol=1e-5)


def test_a_saved_model(before, expected):
    answer = Served(before / "saved_model" / "1")(image=expected["picture"])
    np.testing.assert_allclose(answer["image"], expected["a2b"], atol=1e-5)


@pytest.mark.integration
def test_a_training_goes_on(before, tmp_path, monkeypatch):
    shutil.copytree(before, tmp_path / "before")
    monkeypatch.chdir(tmp_path / "before")
    result = keras_style.training.train("run/config.yaml", directory="run", verbose=0)
    assert (result.epoch, result.stopped) == (2, False)
    assert len(Path("run/log.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_transfer_on_the_former_network_is_refused(before, tmp_path, optimizer):
    """Its weights, tuned for edges, are gone: nothing could go on as it began."""
    saved = json.loads((before / "transfer.json").read_text())
    with np.load(before / "transfer.npz") as arrays:
        content, style = arrays["content"], arrays["style"]
    place = shutil.copytree(before / f"checkpoint_{optimizer}", tmp_path / "checkpoint")
    with pytest.raises(CheckpointError, match='backbone was "vgg16_bsds500", now "vgg16_imagenet"'):
        keras_style.transfer(content, style, **saved["options"][optimizer], checkpoint=place)
