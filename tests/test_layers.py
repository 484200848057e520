import numpy as np
import pytest

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.layers import BilinearUpSampling2D, Conv2D, CutStart2D, InstanceNormalization, ReflectionPadding2D
from tests.oracles import torch_networks

LAYERS = [InstanceNormalization(), ReflectionPadding2D(2), BilinearUpSampling2D(2), CutStart2D(), Conv2D(3, 2, 4)]


@pytest.fixture
def features():
    """(2, 6, 5, 3), each channel of each sample with its own mean and spread."""
    rng = np.random.default_rng(0)
    spread, mean = rng.uniform(0.5, 5, (2, 1, 1, 3)), rng.uniform(-5, 5, (2, 1, 1, 3))
    return (rng.normal(size=(2, 6, 5, 3)) * spread + mean).astype(np.float32)


def normalized(x, epsilon=1e-5):
    x = x.astype(np.float64)
    return (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + epsilon)


class TestConv2D:
    @pytest.mark.parametrize(("columns", "size"), [(4, 7), (2, (3, 5)), (1, 3)])
    @pytest.mark.parametrize("known", [True, False])
    def test_is_a_convolution(self, columns, size, known):
        images = tf.constant(np.random.default_rng(0).normal(size=(2, 9, 18 if size == 7 else 16, 5)), tf.float32)
        layer = Conv2D(3, size, columns, bias_initializer="glorot_uniform")
        layer.build(images.shape)
        signature = [tf.TensorSpec(images.shape if known else (None, None, None, 5), tf.float32)]
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = tf.function(layer, input_signature=signature)(images)
            total = tf.reduce_sum(tf.sin(outputs))
        slopes = tape.gradient(total, [images, layer.kernel.value])

        with tf.GradientTape() as tape:
            tape.watch(images)
            expected = tf.nn.conv2d(images, layer.kernel.value, 1, "VALID") + layer.bias
            total = tf.reduce_sum(tf.sin(expected))
        np.testing.assert_allclose(outputs, expected, atol=1e-6)
        for slope, of_expected in zip(slopes, tape.gradient(total, [images, layer.kernel.value]), strict=True):
            np.testing.assert_allclose(slope, of_expected, rtol=2e-6, atol=1e-5)

    def test_another_width_is_refused(self):
        layer, images = Conv2D(3, 7, columns=4), np.zeros((1, 8, 13, 2), np.float32)
        with pytest.raises(InputError, match="a multiple of columns=4; its width is 7"):
            layer(images)
        with pytest.raises(tf.errors.InvalidArgumentError, match="a multiple of columns=4; its width is"):
            tf.function(layer, input_signature=[tf.TensorSpec((1, None, None, 2), tf.float32)])(images)

    def test_what_it_does_not_compute_is_refused(self):
        with pytest.raises(InputError, match=r"arguments padding, strides; expected keras\.layers\.Conv2D"):
            Conv2D(3, 7, strides=2, padding="same")


class TestInstanceNormalization:
    @pytest.mark.parametrize("epsilon", [1e-5, 0.5])
    def test_is_the_formula(self, features, epsilon):
        outputs = InstanceNormalization(epsilon=epsilon)(features)
        np.testing.assert_allclose(outputs, normalized(features, epsilon), atol=1e-5)

    def test_is_without_weights_by_default(self):
        layer = InstanceNormalization()
        layer.build((None, None, None, 3))
        assert layer.weights == []
        assert layer.epsilon == 1e-5

    @pytest.mark.parametrize(("center", "scale"), [(True, True), (True, False), (False, True)])
    def test_affine(self, features, center, scale):
        layer = InstanceNormalization(center=center, scale=scale)
        np.testing.assert_allclose(layer(features), normalized(features), atol=1e-5)  # as it starts
        expected = normalized(features)
        if scale:
            layer.gamma.assign([2.0, -1.0, 0.5])
            expected *= [2.0, -1.0, 0.5]
        if center:
            layer.beta.assign([1.0, 0.0, -3.0])
            expected += [1.0, 0.0, -3.0]
        assert len(layer.weights) == center + scale
        np.testing.assert_allclose(layer(features), expected, atol=1e-5)

    def test_a_constant_channel_and_a_single_pixel_are_zero(self):
        layer = InstanceNormalization()
        assert not np.any(layer(np.full((1, 4, 4, 2), 7.0, np.float32)))
        assert not np.any(layer(np.full((1, 1, 1, 2), 7.0, np.float32)))

    @pytest.mark.parametrize("dtype", ["float16", "mixed_float16", "bfloat16"])
    def test_half_precision_computes_in_float32(self, dtype):
        # The squares are above float16's largest number, 65504.
        values = np.random.default_rng(0).normal(0, 1000, (1, 8, 8, 2)).astype(np.float16)
        outputs = InstanceNormalization(dtype=dtype)(values)
        assert outputs.dtype == dtype.removeprefix("mixed_")
        np.testing.assert_allclose(tf.cast(outputs, "float32"), normalized(values), atol=0.02)

    def test_float64_keeps_its_digits(self, features):
        outputs = InstanceNormalization(dtype="float64")(features.astype(np.float64))
        np.testing.assert_allclose(outputs, normalized(features), atol=1e-12)

    def test_gradient_is_the_closed_form(self, features):
        x, weights = tf.constant(features), np.random.default_rng(1).normal(size=features.shape)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(InstanceNormalization()(x) * weights.astype(np.float32))
        y, mean = normalized(features), lambda values: values.mean((1, 2), keepdims=True)
        deviation = np.sqrt(features.astype(np.float64).var((1, 2), keepdims=True) + 1e-5)
        expected = (weights - mean(weights) - y * mean(weights * y)) / deviation
        np.testing.assert_allclose(tape.gradient(loss, x), expected, atol=2e-4)

    @pytest.mark.parametrize("batch", [0, 1, 3, 4, 5, None])
    def test_batches_of_any_number(self, batch):
        layer = InstanceNormalization(center=True, scale=True)
        layer.build((None, None, None, 3))
        layer.gamma.assign([2.0, -1.0, 0.5])
        layer.beta.assign([1.0, 0.0, -3.0])
        images = np.random.default_rng(0).normal(3, 2, (batch if batch is not None else 2, 7, 5, 3)).astype(np.float32)
        run = tf.function(layer, input_signature=[tf.TensorSpec((batch, None, None, 3))])
        expected = normalized(images) * [2.0, -1.0, 0.5] + [1.0, 0.0, -3.0]
        np.testing.assert_allclose(run(images), expected, atol=1e-5)

    def test_gradient_of_a_gradient_is_that_of_float64(self):
        """As the gradient penalty of "wasserstein" takes it; in float64 it is differentiated term by term."""
        images, weights = np.random.default_rng(0).normal(size=(2, 2, 6, 5, 3))

        def penalty(dtype):
            x = tf.constant(images, dtype)
            layer = InstanceNormalization(dtype=dtype)
            with tf.GradientTape() as outer:
                outer.watch(x)
                with tf.GradientTape() as inner:
                    inner.watch(x)
                    loss = tf.reduce_sum(tf.sin(layer(x) * weights))
                slopes = tf.reduce_sum(tf.square(inner.gradient(loss, x)))
            return outer.gradient(slopes, x)

        np.testing.assert_allclose(penalty("float32"), penalty("float64"), rtol=1e-3, atol=1e-4)

    def test_config_is_the_same_after_build_and_fits_another_width(self, features):
        layer = InstanceNormalization(epsilon=1e-3, center=True, scale=True, name="norm")
        before = layer.get_config()
        layer(features)
        assert layer.get_config() == before
        again = InstanceNormalization.from_config(layer.get_config())
        assert again(np.zeros((1, 4, 4, 7), np.float32)).shape == (1, 4, 4, 7)

    @pytest.mark.parametrize("arguments", [{"epsilon": 0}, {"epsilon": "a"}, {"center": 1}, {"scale": None}])
    def test_refuses_arguments(self, arguments):
        with pytest.raises(InputError, match=next(iter(arguments))):
            InstanceNormalization(**arguments)

    def test_refuses_inputs_of_another_rank(self):
        with pytest.raises(InputError, match=r"\(1, 4, 3\).*expected \(B, H, W, C\)"):
            InstanceNormalization()(np.zeros((1, 4, 3), np.float32))


class TestReflectionPadding2D:
    @pytest.mark.parametrize(
        ("padding", "pairs"),
        [
            (1, ((1, 1), (1, 1))),
            ((2, 0), ((2, 2), (0, 0))),
            (((1, 2), (3, 4)), ((1, 2), (3, 4))),
            ([[0, 5], 1], ((0, 5), (1, 1))),
        ],
    )
    def test_is_numpys(self, features, padding, pairs):
        layer = ReflectionPadding2D(padding)
        expected = np.pad(features, ((0, 0), *pairs, (0, 0)), mode="reflect")
        np.testing.assert_array_equal(layer(features), expected)
        assert layer.compute_output_shape(features.shape) == expected.shape

    @pytest.mark.parametrize("padding", [-1, 1.5, "1", True, (1, 2, 3), ((1, 2, 3), 1), None, (1, (1, -2))])
    def test_refuses_padding(self, padding):
        with pytest.raises(InputError, match="padding is"):
            ReflectionPadding2D(padding)

    def test_refuses_images_that_are_too_small(self, features):
        assert ReflectionPadding2D(4)(features).shape == (2, 14, 13, 3)
        with pytest.raises(InputError, match="a width of 5 cannot be reflected by 5 pixels; expected at least 6"):
            ReflectionPadding2D(5)(features)
        with pytest.raises(InputError, match="a height of 6 cannot"):
            ReflectionPadding2D((6, 0))(keras.Input((6, None, 3)))

    def test_refuses_images_that_turn_out_too_small(self):
        pad = tf.function(ReflectionPadding2D(4), input_signature=[tf.TensorSpec((None, None, None, 1))])
        assert pad(np.zeros((1, 5, 6, 1), np.float32)).shape == (1, 13, 14, 1)
        with pytest.raises(tf.errors.InvalidArgumentError):
            pad(np.zeros((1, 4, 6, 1), np.float32))


class TestBilinearUpSampling2D:
    def test_doubles_as_pytorch_does(self, features):
        outputs = BilinearUpSampling2D(2)(features)
        expected = [torch_networks.double(image.astype(np.float64).transpose(2, 0, 1)) for image in features]
        np.testing.assert_allclose(outputs, np.transpose(expected, (0, 2, 3, 1)), atol=1e-5)

    def test_triples_a_ramp(self):
        ramp = np.arange(5, dtype=np.float32)[None, None, :, None]
        expected = np.clip(np.arange(15) / 3 - 1 / 3, 0, 4)  # centers of thirds, in pixels
        np.testing.assert_allclose(BilinearUpSampling2D(3)(ramp)[0, 1, :, 0], expected, atol=1e-6)

    @pytest.mark.parametrize("size", [0, 1.5, (2, 2)])
    def test_refuses_sizes(self, size):
        with pytest.raises(InputError, match="size is"):
            BilinearUpSampling2D(size)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
class TestEveryLayer:
    def test_unknown_and_known_sizes_agree(self, layer, features):
        spec = [tf.TensorSpec((None, None, None, 3))]
        expected = layer(features)
        dynamic = tf.function(layer, input_signature=spec)
        np.testing.assert_allclose(dynamic(features), expected, atol=1e-6)
        assert dynamic(np.zeros((1, 7, 9, 3), np.float32)).shape == layer.compute_output_shape((1, 7, 9, 3))
        np.testing.assert_allclose(tf.function(layer, jit_compile=True)(features), expected, atol=1e-5)

    def test_infers_shapes(self, layer):
        assert layer(keras.Input((None, None, 3))).shape == (None, None, None, 3)
        known, half_known = layer(keras.Input((8, 13, 3), 2)).shape, layer(keras.Input((8, None, 3), 2)).shape
        assert known == layer(np.zeros((2, 8, 13, 3), np.float32)).shape
        assert half_known == (*known[:2], None, 3)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
    def test_keeps_the_policys_type(self, layer, features, dtype):
        again = type(layer).from_config({**layer.get_config(), "dtype": dtype})
        assert again(tf.cast(features, dtype)).dtype == dtype

    def test_is_registered_and_saved(self, layer, features, tmp_path):
        name = f"keras_style>{type(layer).__name__}"
        assert keras.saving.get_registered_object(name) is type(layer)
        inputs = keras.Input((None, None, 3))
        model = keras.Model(inputs, layer(inputs))
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert loaded.layers[1].get_config() == layer.get_config()
        np.testing.assert_array_equal(loaded(features), model(features))


class TestCutStart2D:
    @pytest.mark.parametrize("known", [True, False])
    def test_leaves_out_the_first_row_and_column(self, features, known):
        sides = features.shape[1:3] if known else (None, None)
        run = tf.function(CutStart2D(), input_signature=[tf.TensorSpec((None, *sides, 3))])
        np.testing.assert_array_equal(run(features), features[:, 1:, 1:])
        assert CutStart2D().compute_output_shape((None, 6, None, 3)) == (None, 5, None, 3)

    def test_gradient_is_zero_there_and_passes_elsewhere(self, features):
        x = tf.constant(features)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(CutStart2D()(x) ** 2)
        expected = 2 * features
        expected[:, 0] = expected[:, :, 0] = 0
        np.testing.assert_allclose(tape.gradient(loss, x), expected, rtol=1e-6)
