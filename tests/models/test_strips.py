"""Translation strip by strip: the answer of the whole picture, at every edge of a strip and for every layer."""

import numpy as np
import pytest

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
from keras_style.layers import InstanceNormalization, ReflectionPadding2D
from keras_style.models.fast_style_generator import FastStyleGenerator
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.strips import Strips
from keras_style.models.translation import translate
from keras_style.models.unet_generator import UNetGenerator


def generator(kind=ResNetGenerator, **options):
    """Whose every weight matters, offsets too."""
    network = kind(**{"blocks": 1, "filters": 4, **options})
    random = np.random.default_rng(0)
    for variable in network.weights:
        variable.assign(random.normal(0, 0.3, variable.shape))
    return network


def picture(height: int, width: int) -> np.ndarray:
    """Darker to the bottom, so that the strips' own statistics are far from the whole picture's."""
    return np.random.default_rng(0).random((height, width, 3), np.float32) * np.linspace(1, 0.2, height)[:, None, None]


def assert_same(network, image, tile) -> None:
    whole, tiled = translate(network, image), translate(network, image, tile=tile)
    assert (tiled.shape, tiled.dtype) == (whole.shape, np.float32)
    assert whole.std() > 0.1
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("options", "size", "tile"),
    [
        ({}, (61, 35), 24),
        ({"kind": FastStyleGenerator}, (45, 35), 20),
        pytest.param(
            {"blocks": 2, "upsampling": "resize", "affine": True}, (50, 33), 20, marks=pytest.mark.integration
        ),
        pytest.param({"affine": True}, (19, 40), 13, marks=pytest.mark.integration),
    ],
)
def test_strips_answer_as_the_whole_picture(options, size, tile):
    assert_same(generator(**options), picture(*size), tile)


@pytest.mark.slow
@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize("tile", range(1, 12))
def test_every_height_of_a_strip(upsampling, tile):
    assert_same(generator(upsampling=upsampling), picture(26, 17), tile)


@pytest.mark.slow
def test_all_blocks_and_filters():
    """The generator of the paper; rounding passes through 23 normalizations."""
    assert_same(generator(blocks=9, filters=64), picture(301, 262), 128)


def test_half_precision_is_rounded_at_the_same_places():
    network = generator(dtype="mixed_float16")
    image = picture(40, 24)
    np.testing.assert_allclose(translate(network, image, tile=16), translate(network, image), atol=0.02)


def test_without_any_normalization_and_by_zeros():
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(keras.layers.ZeroPadding2D(((1, 1), (2, 0)))(inputs))
    x = keras.layers.Add()([x, keras.layers.Conv2D(4, 1)(inputs)])
    x = keras.layers.Conv2D(3, 4)(ReflectionPadding2D(((3, 0), (1, 2)))(x))
    network = keras.Model(inputs, keras.layers.LeakyReLU()(x))
    image = picture(17, 19) * 2 - 1
    for rows in (3, 5, 16):
        np.testing.assert_allclose(Strips(network, rows)(image), network(image[None])[0], atol=1e-5)


def test_lower_pictures_go_through_at_once_and_the_order_stays():
    network = generator(blocks=0)
    images = [picture(16, 20), picture(33, 20), picture(17, 20)]
    for whole, tiled in zip(translate(network, images), translate(network, images, tile=20), strict=True):
        np.testing.assert_allclose(tiled, whole, atol=2e-5)


def test_refusals(monkeypatch):
    for tile in (0, -4, 1.5, "auto"):
        with pytest.raises(InputError, match="tile is"):
            translate(generator(blocks=0), picture(32, 32), tile=tile)
    with pytest.raises(InputError, match="tile=16 with jit_compile=True"):
        translate(generator(blocks=0), picture(32, 32), tile=16, jit_compile=True)
    with pytest.raises(InputError, match=r"layer down_1 \(Conv2D\) is not one .* or a ResNetGenerator or Fast"):
        translate(UNetGenerator(128, 2), picture(128, 128), tile=64)

    class Unknown(keras.Model):
        def call(self, images, training=None):
            return images

    with pytest.raises(InputError, match="which is no graph of layers"):
        translate(Unknown(name="mine"), picture(32, 32), tile=16)
    inputs = keras.Input((None, None, 3))
    with pytest.raises(InputError, match="which normalizes the picture"):
        translate(keras.Model(inputs, InstanceNormalization()(inputs)), picture(32, 32), tile=16)
    halve = keras.Model(inputs, InstanceNormalization()(keras.layers.Conv2D(3, 2, 2)(inputs)))
    with pytest.raises(InputError, match=r"\(32, 32, 3\) with \(16, 16, 3\)"):
        translate(halve, picture(32, 32), tile=16)
