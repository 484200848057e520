"""`transfer` with a model instead of a painting."""

import numpy as np
import pytest
from running import command

from keras_style import images, transfer
from keras_style.errors import InputError, MissingFileError
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.translation import translate


@pytest.fixture(scope="module")
def generator():
    return ResNetGenerator(blocks=0, filters=2, seed=0)


@pytest.fixture(scope="module")
def file(generator, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "mine.keras"
    generator.save(path)
    return path


def test_a_picture_is_resized_and_translated(generator, file, photograph):
    result = transfer(photograph, model=file, size=30)
    expected = translate(generator, images.resize(photograph, 25, 30))
    np.testing.assert_allclose(result.array, expected, atol=1e-6)
    assert result.summary()["steps"] == 0 and result.settings == {"model": str(file), "size": 30}
    np.testing.assert_allclose(transfer(photograph, model=generator, size=30).array, expected, atol=1e-6)


def test_on_the_command_line(file, photograph_file, tmp_path, capsys):
    output = tmp_path / "out.png"
    line = ("transfer", photograph_file, "--model", file, "--size", 24, "--output", output)
    status, out, err = command(capsys, *line)
    assert (status, err) == (0, "") and "24 x 20 pixels, 0 steps" in out
    np.testing.assert_allclose(images.load(output), transfer(photograph_file, model=file, size=24).array, atol=0.003)
    assert command(capsys, *line, "--steps", 5)[::2] == (
        2,
        "keras-style: model together with steps; a model has its style already: expected at most size, callbacks, "
        "verbose beside it\n",
    )


def test_neither_or_both(file, photograph, painting):
    with pytest.raises(InputError, match="style is None; expected a painting, or a model"):
        transfer(photograph)
    with pytest.raises(InputError, match="model together with style, method;"):
        transfer(photograph, painting, model=file, method="histogram")


def test_what_is_no_model(photograph, tmp_path):
    with pytest.raises(InputError, match="preset is 'satelite'"):
        transfer(photograph, model="satelite")
    with pytest.raises(MissingFileError, match="no such file"):
        transfer(photograph, model=tmp_path / "none.keras")
    with pytest.raises(InputError, match="size is 3;"):
        transfer(photograph, model="satelite", size=3)
