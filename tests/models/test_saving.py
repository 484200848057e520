"""Files of a CycleGAN and its networks open again; those that would not are refused before they are there."""

import numpy as np
import pytest
from gans import pairs, tiny, values
from running import listing

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
from keras_style.models.patch_discriminator import PatchDiscriminator
from keras_style.models.resnet_generator import ResNetGenerator


def trained():
    gan = tiny()
    gan.compile()
    gan.fit(pairs(2), verbose=0)
    return gan


@pytest.mark.parametrize("name", ["x.h5", "x.hdf5", "x.tf", "x", "x.weights.h5", "missing/x.h5", "x.keras.zip"])
@pytest.mark.parametrize("made", [tiny, lambda: ResNetGenerator(0, 2), lambda: PatchDiscriminator(2)])
def test_files_that_nothing_opens_are_not_written(name, made, tmp_path):
    with pytest.raises(InputError, match=rf"filepath is .*{name}; expected a file that ends in \.keras"):
        made().save(tmp_path / name)
    assert listing(tmp_path) == []


@pytest.mark.parametrize(("name", "options"), [("gan.keras", {}), ("folder", {"zipped": False})])
def test_files_and_folders_open_again(name, options, tmp_path):
    gan = trained()
    gan.save(tmp_path / name, **options)
    again = keras.saving.load_model(tmp_path / name)
    everything = [values([*each.variables, *each.optimizer.variables]) for each in (gan, again)]
    for one, other in zip(*everything, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_graph_is_that_of_a_generator(tmp_path):
    with pytest.raises(InputError, match=r"expected keras_style\.export_saved_model\(gan\.generator_a2b"):
        trained().export(tmp_path / "exported")
    assert listing(tmp_path) == []


def test_weights_by_themselves(tmp_path):
    gan, other = trained(), tiny(seed=9, image_size=4)
    other.compile()
    gan.save_weights(tmp_path / "gan.weights.h5")
    other.load_weights(tmp_path / "gan.weights.h5")
    for each in (gan, other):
        each.fit(pairs(2), verbose=0)
    for one, copy in zip(values(gan.generator_a2b.weights), values(other.generator_a2b.weights), strict=True):
        np.testing.assert_array_equal(one, copy)
