import gc
import weakref

import numpy as np
import pytest
from picture_files import read
from PIL import Image

from keras_style import images
from keras_style.errors import InputError, MissingFileError
from keras_style.internal.tensorflow import keras, tf
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.translation import translate
from keras_style.models.unet_generator import UNetGenerator


class Recorder(keras.Model):
    """Inverts colors, and remembers the shape of everything that it was traced with or called with."""

    multiple = 4

    def __init__(self):
        super().__init__()
        self.traces, self.seen = 0, []
        self.factor = self.add_weight(shape=(), initializer=keras.initializers.Constant(-1.0), name="factor")

    def call(self, images, training=None):
        assert training is False
        self.traces += 1
        tf.py_function(lambda each: self.seen.append(tuple(each.shape)), [images], [])
        return self.factor * images


class Plain(keras.Model):
    """The same without a side effect, which XLA could not compile."""

    multiple = 4
    traces = 0

    def call(self, images, training=None):
        self.traces += 1
        return -images


@pytest.fixture
def recorder():
    model = Recorder()
    model.build((None, None, None, 3))
    model.traces = 0
    return model


def picture(height, width, seed=0):
    return np.random.default_rng(seed).random((height, width, 3), np.float32)


def test_is_the_generator_between_two_scalings(photograph):
    generator = ResNetGenerator(1, 4, seed=0)  # 40 x 48 pixels fit
    result = translate(generator, photograph)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, generator(photograph[None] * 2 - 1)[0] / 2 + 0.5, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(17, 18), (16, 19), (40, 16)])
def test_extends_by_reflection_and_crops(height, width):
    generator, image = ResNetGenerator(1, 4, seed=0), picture(height, width)
    result = translate(generator, image)
    assert result.shape == image.shape
    below = image[::-1][1 : 1 + -height % 4]
    extended = np.concatenate([image, below])
    beside = extended[:, ::-1][:, 1 : 1 + -width % 4]
    extended = np.concatenate([extended, beside], axis=1)
    expected = generator(extended[None] * 2 - 1)[0, :height, :width] / 2 + 0.5
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_a_picture_much_smaller_than_the_multiple():
    result = translate(UNetGenerator(128, 2, seed=0), picture(16, 140))
    assert result.shape == (16, 140, 3)
    assert result.min() >= 0 and result.max() <= 1


class TestContainers:
    def test_one_picture_in_one_out(self, recorder, photograph, photograph_file):
        eight_bits = read(photograph_file)
        with photograph_file.open("rb") as file:
            for image in (photograph_file, str(photograph_file), Image.fromarray(eight_bits), eight_bits, file):
                np.testing.assert_allclose(translate(recorder, image), 1 - eight_bits / 255, atol=1e-6)
        np.testing.assert_allclose(translate(recorder, photograph.astype(np.float64)), 1 - photograph, atol=1e-6)

    @pytest.mark.parametrize("batch_size", [1, 2, 5])
    def test_an_array_of_pictures(self, recorder, batch_size):
        images = np.stack([picture(18, 17, seed) for seed in range(3)])
        result = translate(recorder, images, batch_size)
        assert (result.shape, result.dtype) == (images.shape, np.float32)
        np.testing.assert_allclose(result, 1 - images, atol=1e-6)
        assert recorder.seen == [(min(batch_size, 3 - start), 20, 20, 3) for start in range(0, 3, batch_size)]

    def test_a_list_of_mixed_sizes_keeps_its_order(self, recorder, photograph_file):
        images = [picture(18, 17), photograph_file, picture(20, 20), picture(16, 16), picture(17, 19)]
        results = translate(recorder, images, batch_size=2)
        assert isinstance(results, list)
        for image, result in zip(images, results, strict=True):
            original = read(image) / 255 if image is photograph_file else image
            np.testing.assert_allclose(result, 1 - original, atol=1e-6)
        assert recorder.seen == [(2, 20, 20, 3), (1, 20, 20, 3), (1, 40, 48, 3), (1, 16, 16, 3)]

    def test_nothing_in_nothing_out(self, recorder):
        assert translate(recorder, []) == []
        empty = translate(recorder, np.zeros((0, 16, 16, 3), np.uint8))
        assert (empty.shape, empty.dtype) == ((0, 16, 16, 3), np.float32)


class TestTracing:
    def test_once_for_all_sizes_and_calls(self, recorder):
        for _ in range(2):
            translate(recorder, [picture(16, 16 + side) for side in range(3)])
            translate(recorder, picture(32, 32))
        assert recorder.traces == 1
        for batch_size in (2, 3):
            translate(recorder, [picture(16, 16 + side) for side in range(6)], batch_size)
        assert recorder.traces == 1

    def test_again_when_the_weights_changed(self, recorder):
        image = picture(16, 16)
        translate(recorder, image)
        recorder.factor.assign(0.5)
        np.testing.assert_allclose(translate(recorder, image), image / 2 + 0.25, atol=1e-6)
        assert recorder.traces == 2

    def test_xla_once_for_each_extended_size(self):
        model = Plain()
        images = [picture(16, 16 + side % 8) for side in range(9)]
        for _ in range(2):
            results = translate(model, images, batch_size=2, jit_compile=True)
        assert model.traces == 3  # 16 x 16, 20 and 24, whether a batch is full or not
        for image, result in zip(images, results, strict=True):
            np.testing.assert_allclose(result, 1 - image, atol=1e-6)

    def test_does_not_keep_the_generator(self):
        def used():  # a function of its own: a frame that TensorFlow looked at keeps its variables
            generator = ResNetGenerator(0, 2)
            translate(generator, picture(16, 16))
            return weakref.ref(generator)

        gc.freeze()  # what earlier tests left would take half a minute to look through
        try:
            reference = used()
            gc.collect()
        finally:
            gc.unfreeze()
        assert reference() is None


class TestErrors:
    @pytest.mark.parametrize("batch_size", [0, 1.5, "2"])
    def test_batch_size(self, recorder, batch_size):
        with pytest.raises(InputError, match="batch_size is"):
            translate(recorder, picture(16, 16), batch_size)

    def test_generator(self):
        with pytest.raises(InputError, match="generator is of type function; expected a Keras model"):
            translate(lambda images: images, picture(16, 16))
        with pytest.raises(InputError, match="takes images of 2 channels; expected RGB or gray"):
            translate(ResNetGenerator(0, 1, channels=2), picture(16, 16))

    def test_a_generator_that_answers_in_another_shape(self):
        halve = keras.Sequential([keras.Input((None, None, 3)), keras.layers.AveragePooling2D(2)])
        with pytest.raises(InputError, match=r"\(1, 16, 16, 3\) with \(1, 8, 8, 3\)"):
            translate(halve, picture(16, 16))

    def test_a_picture_says_which_it_was(self, recorder):
        with pytest.raises(InputError, match=r"images\[1\].*values from"):
            translate(recorder, [picture(16, 16), picture(16, 16) * 3])
        with pytest.raises(MissingFileError, match=r"images\[0\]: no such file"):
            translate(recorder, ["nowhere.png"])
        with pytest.raises(InputError, match=r"an array of shape \(16, 16\)"):
            translate(recorder, np.zeros((16, 16)))


def test_a_width_keeps_the_aspect():
    given = picture(24, 32)
    expected = 1 - images.resize(given, 48, 64)
    np.testing.assert_allclose(translate(Plain(), given, width=64), expected.clip(0, 1), atol=1e-6)
    assert translate(Plain(), np.stack([given] * 2), width=64).shape == (2, 48, 64, 3)
    with pytest.raises(InputError, match="width is 3; expected a whole number"):
        translate(Plain(), given, width=3)


@pytest.mark.parametrize("tile", [None, 8])
def test_a_gray_generator_sees_the_luminance(tile):
    generator, given = ResNetGenerator(1, 4, channels=1, seed=0), picture(24, 20)
    gray = given @ np.float32([[0.299], [0.587], [0.114]])
    expected = generator(gray[None] * 2 - 1)[0] / 2 + 0.5
    result = translate(generator, given, tile=tile)
    np.testing.assert_allclose(result, np.repeat(expected, 3, axis=-1), atol=1e-5)
