"""Generators from wherever they are."""

import sys

import numpy as np
import pytest

from keras_style.checks import DIRECTIONS
from keras_style.errors import InputError, MissingFileError, WeightsError
from keras_style.internal.tensorflow import tf
from keras_style.models.cyclegan import CycleGAN
from keras_style.models.loading.open_generator import open_generator
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.translation import translate

IMAGES = np.random.default_rng(0).uniform(-1, 1, (1, 12, 16, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def gan():
    return CycleGAN("resnet_6", filters=2, discriminator="pixel", image_size=16, pool_size=2, seed=1)


def of(gan, direction):
    return gan.generator_a2b if direction == "a2b" else gan.generator_b2a


def assert_same(opened, generator):
    np.testing.assert_allclose(opened(IMAGES), generator(IMAGES), atol=1e-6)


@pytest.mark.integration
def test_both_directions_of_presets_runs_and_whole_models(gan, tmp_path):
    gan.save_to_preset(tmp_path / "preset")
    gan.save(tmp_path / "whole.keras")
    run = tmp_path / "run"
    (run / "best").mkdir(parents=True)
    gan.generator_a2b.save(run / "best" / "generator_a2b.keras")
    gan.generator_b2a.save(run / "best" / "generator_b2a.keras")
    for source in (tmp_path / "preset", str(tmp_path / "preset"), tmp_path / "whole.keras", run, run / "best"):
        for direction in DIRECTIONS:
            assert_same(open_generator(source, direction), of(gan, direction))


def test_of_a_finished_run_the_last_generators(gan, tmp_path):
    (tmp_path / "best").mkdir()
    gan.generator_b2a.save(tmp_path / "best" / "generator_a2b.keras")
    gan.generator_a2b.save(tmp_path / "generator_a2b.keras")
    assert_same(open_generator(tmp_path), gan.generator_a2b)


def test_a_generator_by_itself(gan, tmp_path):
    gan.generator_b2a.save(tmp_path / "mine.keras")
    assert_same(open_generator(tmp_path / "mine.keras"), gan.generator_b2a)


def test_damage_is_refused_in_a_preset_only_by_its_hash(gan, tmp_path):
    folder = gan.save_to_preset(tmp_path / "preset")
    ResNetGenerator(blocks=1, filters=2, seed=3).save(folder / "generator_a2b.keras")  # a whole file, but another
    with pytest.raises(OSError, match="SHA-256"):
        open_generator(folder)


def test_what_is_no_generator(tmp_path):
    (tmp_path / "text.keras").write_text("hello")
    with pytest.raises(InputError, match=r"text.keras"):
        open_generator(tmp_path / "text.keras")
    for name in ("none.keras", "none.pth", "none.h5"):
        with pytest.raises(MissingFileError, match=f"no such file: .*{name}"):
            open_generator(tmp_path / name)
    with pytest.raises(InputError, match=r"preset is 'nothing'; expected .*a directory"):
        open_generator("nothing")
    with pytest.raises(InputError, match="direction"):
        open_generator("nothing", "b2c")


def test_pytorchs_files_need_pytorch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "net.pth").write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"keras-style\[torch\]"):
        open_generator(tmp_path / "net.pth")


def exported(folder, input_name="image"):
    """A SavedModel that turns pictures into their negatives."""

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32, name=input_name)])
    def negative(images):
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all((images >= 0) & (images <= 1)), [images])]):
            return {"image": 1 - images}

    tf.saved_model.save(tf.Module(), str(folder), {"serving_default": negative})
    return folder


def test_an_exported_version(tmp_path):
    generator = open_generator(exported(tmp_path / "1"))
    picture = np.random.default_rng(0).random((17, 19, 3)).astype(np.float32)
    picture[0, :2] = [[0, 0, 0], [1, 1, 1]]
    np.testing.assert_allclose(translate(generator, picture), 1 - picture, atol=1e-6)
    assert generator.weights == []


def test_saved_models_that_are_no_generators(tmp_path):
    with pytest.raises(InputError, match="expected a SavedModel with a signature serving_default from image to image"):
        open_generator(exported(tmp_path / "1", "content"))
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "saved_model.pb").write_bytes(b"junk")
    with pytest.raises(InputError, match="2 cannot be opened"):
        open_generator(tmp_path / "2")
