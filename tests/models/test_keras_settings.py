"""Settings of Keras as a whole, by keras.json or by a call: networks work with any, or say at once what is wrong."""

import json

import numpy as np
import pytest
from gans import images, pairs, tiny
from running import python

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
from keras_style.models.cyclegan import CycleGAN
from keras_style.models.patch_discriminator import PatchDiscriminator
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.unet_generator import UNetGenerator


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


@pytest.fixture
def precision():
    """A setter of the type of numbers that layers have by default."""
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    "make",
    [
        lambda: ResNetGenerator(1, 2, seed=1),
        lambda: ResNetGenerator(1, 2, upsampling="resize", seed=1),
        lambda: UNetGenerator(128, 2, seed=1),
        lambda: PatchDiscriminator(2, seed=1),
    ],
)
def test_networks_have_channels_last(make, request, tmp_path):
    pictures = images(1, 1, 128)
    expected = make()(pictures)
    request.getfixturevalue("channels_first")
    network = make()
    np.testing.assert_array_equal(network(pictures), expected)
    network.save(tmp_path / "network.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "network.keras")(pictures), expected)


def test_a_training_has_channels_last(channels_first):
    gan = CycleGAN(ResNetGenerator(0, 2, seed=1), discriminator="pixel", filters=2)
    gan.compile()
    assert np.isfinite(gan.fit(pairs(2, side=16), verbose=0).history["loss"]).all()


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_weights_too_coarse_to_train_are_refused(kind, precision):
    precision(kind)
    gan = tiny()
    message = rf"weights are {kind}, too coarse .*; expected float32, or the dtype 'mixed_{kind}'"
    with pytest.raises(InputError, match=message):
        gan.compile()
    assert np.isfinite(gan.translate(images(1, 1, 16)[0] / 2 + 0.5)).all()


@pytest.mark.integration
@pytest.mark.parametrize(
    "policy",
    [
        "mixed_float16",
        *(pytest.param(each, marks=pytest.mark.integration) for each in ("mixed_bfloat16", "float64", "float32")),
    ],
)
def test_other_precisions_train_whatever_the_default_is(policy, precision):
    precision("float16")
    gan = CycleGAN(
        [ResNetGenerator(0, 2, seed=seed, dtype=policy) for seed in (1, 2)],
        discriminator=[PatchDiscriminator(2, 0, seed=seed, dtype=policy) for seed in (3, 4)],
        dtype=policy,
    )
    gan.compile()
    assert np.isfinite(gan.fit(pairs(3, side=16), epochs=2, verbose=0).history["loss"]).all()


@pytest.mark.integration
def test_a_file_of_settings(tmp_path):
    """The backend is TensorFlow whatever it says; a preset opens; what cannot be trained is one line."""
    settings = {"image_data_format": "channels_first", "floatx": "float16", "backend": "torch", "epsilon": 1e-7}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    script = """
import numpy as np
import keras_style
gan = keras_style.models.CycleGAN.from_preset("satellite_to_relief")
print(np.round(gan.translate(np.full((16, 16, 3), 0.5, "float32"))[8, 8], 3).tolist())
try:
    gan.compile()
except ValueError as error:
    print(error)
"""
    run = python(script, KERAS_HOME=str(tmp_path))
    assert run.returncode == 0, run.stderr
    color, refusal = run.stdout.splitlines()
    expected = CycleGAN.from_preset("satellite_to_relief").translate(np.full((16, 16, 3), 0.5, "float32"))[8, 8]
    np.testing.assert_allclose(json.loads(color), expected, atol=2e-3)
    assert refusal.startswith("weights are float16, too coarse")
