import json
import subprocess
import sys

import numpy as np
import pytest

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.models import networks
from keras_style.models.fast_style_generator import FastStyleGenerator
from keras_style.models.loading import from_torch
from keras_style.models.patch_discriminator import PatchDiscriminator
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.unet_generator import UNetGenerator
from tests.oracles import torch_networks


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def with_weights(monkeypatch, state, tmp_path):
    """The generator that has the numbers of a state dict in PyTorch's layout."""
    monkeypatch.setattr(from_torch, "_read_torch", lambda path: state)
    (tmp_path / "net.pth").touch()
    return from_torch.load_torch_generator(tmp_path / "net.pth")


def expected_of(network, state, images, *arguments, **options):
    channels_first = images.astype(np.float64).transpose(0, 3, 1, 2)
    return np.transpose([network(state, image, *arguments, **options) for image in channels_first], (0, 2, 3, 1))


@pytest.mark.parametrize(
    ("network", "arguments", "count"),
    [
        (ResNetGenerator, {}, 11_378_179),
        (ResNetGenerator, {"blocks": 6}, 7_837_699),
        (UNetGenerator, {"size": 256}, 54_409_603),
        (UNetGenerator, {"size": 128}, 41_825_667),
        (FastStyleGenerator, {}, 1_679_235),
    ],
)
def test_parameters_are_as_many_as_in_the_original(network, arguments, count):
    assert network(**arguments).count_params() == count


class TestGeometry:
    """Against NumPy, in PyTorch's layout."""

    @pytest.mark.parametrize("size", [(8, 16), (12, 20)])  # 12 and 20 are odd multiples of 4
    @pytest.mark.parametrize("affine", [False, True])
    @pytest.mark.parametrize("resize", [False, True])
    def test_resnet(self, size, affine, resize, monkeypatch, tmp_path):
        state = torch_networks.random_state(torch_networks.resnet_shapes(2, 4, affine, resize))
        generator, images = with_weights(monkeypatch, state, tmp_path), noise(2, *size, 3)
        expected = expected_of(torch_networks.resnet, state, images, 2, resize)
        assert np.ptp(expected) > 0.5
        np.testing.assert_allclose(generator(images), expected, atol=1e-4)

    @pytest.mark.parametrize(("depth", "size"), [(7, (128, 384)), (8, (256, 256))])
    @pytest.mark.parametrize("affine", [False, True])
    def test_unet(self, depth, size, affine, monkeypatch, tmp_path):
        state = torch_networks.random_state(torch_networks.unet_shapes(depth, 2, affine))
        generator, images = with_weights(monkeypatch, state, tmp_path), noise(1, *size, 3)
        expected = expected_of(torch_networks.unet, state, images, depth)
        assert np.ptp(expected) > 0.5
        # Where the innermost level is 2 x 2 and less, normalization divides by what little varies.
        np.testing.assert_allclose(generator(images), expected, atol=1e-4)


class TestStart:
    @pytest.mark.parametrize("network", [ResNetGenerator(3, 32, seed=7), UNetGenerator(128, 16, seed=7)])
    def test_kernels_are_normal_and_biases_zero(self, network):
        layers = [layer for layer in network.network.layers if layer.weights]
        kernels = [layer.kernel.numpy() for layer in layers]
        together = np.concatenate([kernel.ravel() for kernel in kernels])
        assert together.std() == pytest.approx(0.02, rel=0.01)
        assert abs(together.mean()) < 0.02 * 4 / np.sqrt(together.size)
        assert all(kernel.std() == pytest.approx(0.02, rel=0.1) for kernel in kernels)
        assert not any(np.any(layer.bias) for layer in layers)

    def test_kernels_of_one_shape_differ(self):
        blocks = [
            layer.kernel.numpy()
            for layer in ResNetGenerator(2, 4, seed=7).network.layers
            if "block" in layer.name and layer.weights
        ]
        assert len(blocks) == 4
        assert len({kernel.tobytes() for kernel in blocks}) == 4

    @pytest.mark.parametrize(
        "network",
        [
            lambda seed: ResNetGenerator(1, 4, seed=seed),
            lambda seed: UNetGenerator(128, 2, seed=seed),
            lambda seed: FastStyleGenerator(4, 1, seed=seed),
        ],
    )
    def test_a_seed_fixes_them(self, network):
        def bits(seed):
            return b"".join(weight.numpy().tobytes() for weight in network(seed).weights)

        assert bits(1) == bits(1) != bits(2)
        keras.utils.set_random_seed(3)
        first = bits(None)
        assert first != bits(None)
        keras.utils.set_random_seed(3)
        assert first == bits(None)

    @pytest.mark.parametrize("name", ["resnet_6", "resnet_6_resize", "unet_128", "patch_70", "patch_34"])
    def test_affine_networks_begin_as_those_of_the_paper(self, name):
        """Factors N(1, 0.02^2), each its own; offsets of zero; the kernels of the network that is not."""
        make = networks.GENERATORS | networks.DISCRIMINATORS
        plain, affine = (make[each](filters=32, seed=1) for each in (name, f"{name}_affine"))
        factors = [weight.numpy() for weight in affine.weights if weight.name == "gamma"]
        together = np.concatenate(factors)
        assert together.mean() == pytest.approx(1, abs=0.02 * 4 / np.sqrt(together.size))
        assert together.std() == pytest.approx(0.02, rel=0.15)
        assert len({each.tobytes() for each in factors}) == len(factors)
        offsets = [weight.numpy() for weight in affine.weights if weight.name == "beta"]
        assert [each.shape for each in offsets] == [each.shape for each in factors] and not np.concatenate(
            offsets
        ).any()
        kernels = ([each.numpy() for each in one.weights if each.name == "kernel"] for one in (plain, affine))
        assert all(np.array_equal(one, other) for one, other in zip(*kernels, strict=True))
        again = make[f"{name}_affine"](filters=32, seed=1)
        assert all(np.array_equal(*pair) for pair in zip(again.get_weights(), affine.get_weights(), strict=True))

    def test_affine_normalization_adds_two_numbers_for_each_channel(self):
        plain, affine = (ResNetGenerator(1, 4, seed=1, affine=each) for each in (False, True))
        assert affine.count_params() - plain.count_params() == 2 * (4 + 8 + 16 + 2 * 16 + 8 + 4)


NETWORKS = {
    "transposed": lambda **options: ResNetGenerator(1, 4, seed=1, **options),
    "resize": lambda **options: ResNetGenerator(0, 4, upsampling="resize", affine=True, seed=1, **options),
    "unet": lambda **options: UNetGenerator(128, 2, seed=1, **options),
    "fast": lambda **options: FastStyleGenerator(4, 1, seed=1, **options),
}


@pytest.fixture(scope="module", params=NETWORKS)
def generator(request):
    return NETWORKS[request.param]()


class TestModel:
    def test_says_what_it_takes(self, generator):
        assert generator.built
        assert generator.multiple == (128 if isinstance(generator, UNetGenerator) else 4)
        assert UNetGenerator(256, 1).multiple == 256

    def test_samples_do_not_see_each_other(self, generator):
        images = noise(3, 128, 128, 3)
        alone = np.concatenate([generator(image[None]) for image in images])
        np.testing.assert_allclose(generator(images), alone, atol=1e-4)

    def test_unknown_sizes_and_xla_give_the_same(self, generator):
        images = noise(1, 128, 256, 3)
        expected = generator(images)
        assert expected.shape == images.shape and np.abs(expected).max() <= 1
        dynamic = tf.function(generator, input_signature=[tf.TensorSpec((None, None, None, 3))])
        np.testing.assert_allclose(dynamic(images), expected, atol=1e-4)
        np.testing.assert_allclose(tf.function(generator, jit_compile=True)(images), expected, atol=2e-4)

    def test_every_weight_of_a_convolution_learns(self, generator):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(generator(noise(1, 128, 128, 3)) - 0.5))
        gradients = tape.gradient(loss, generator.trainable_variables)
        pairs = zip(generator.trainable_variables, gradients, strict=True)
        assert all(np.any(gradient) for variable, gradient in pairs if "kernel" in variable.path)

    def test_clone_and_config(self, generator):
        for again in (keras.models.clone_model(generator), type(generator).from_config(generator.get_config())):
            assert type(again) is type(generator)
            assert again.get_config() == generator.get_config()
            assert again.multiple == generator.multiple
            again.set_weights(generator.get_weights())
            np.testing.assert_array_equal(again(noise(1, 128, 128, 3)), generator(noise(1, 128, 128, 3)))

    def test_weights_alone_can_be_saved(self, generator, tmp_path):
        generator.save_weights(tmp_path / "model.weights.h5")
        again = type(generator).from_config({**generator.get_config(), "seed": 2})
        again.load_weights(tmp_path / "model.weights.h5")
        np.testing.assert_array_equal(again(noise(1, 128, 128, 3)), generator(noise(1, 128, 128, 3)))

    @pytest.mark.parametrize("kind", NETWORKS)
    @pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
    def test_mixed_precision(self, kind, dtype):
        half, images = NETWORKS[kind](dtype=dtype), noise(1, 128, 128, 3)
        convolutions = [layer for layer in half.network.layers if layer.weights]
        assert {layer.compute_dtype for layer in convolutions} == {dtype.removeprefix("mixed_")}
        assert half(images).dtype == "float32"
        assert keras.models.clone_model(half).get_config() == half.get_config()
        if kind != "unet":  # whose innermost levels, of a few pixels, are normalized noise
            assert np.abs(half(images) - NETWORKS[kind]()(images)).mean() < 0.02


class TestSizes:
    @pytest.mark.parametrize("size", [(10, 12), (12, 10), (4, 8), (0, 8)])
    @pytest.mark.parametrize("kind", [np.zeros, tf.zeros, lambda shape: keras.Input(shape[1:])])
    def test_resnet_refuses_what_it_cannot_take(self, size, kind):
        with pytest.raises(InputError, match=r"^g: .*expected multiples of 4 from 8 on$"):
            ResNetGenerator(0, 1, name="g")(kind((1, *size, 3)))

    @pytest.mark.parametrize("size", [(128, 64), (192, 128)])
    def test_unet_refuses_what_it_cannot_take(self, size):
        with pytest.raises(InputError, match=r"expected multiples of 128 from 128 on$"):
            UNetGenerator(128, 1)(np.zeros((1, *size, 3)))

    @pytest.mark.parametrize("spec", [(None, None, None, 3), (1, 12, None, 3)])
    def test_refuses_when_the_graph_runs(self, spec):
        run = tf.function(ResNetGenerator(0, 1), input_signature=[tf.TensorSpec(spec)])
        assert run(tf.zeros((1, 12, 8, 3))).shape == (1, 12, 8, 3)
        for width in (4, 10):
            with pytest.raises(tf.errors.InvalidArgumentError, match=r"multiples of 4 from 8 on"):
                run(tf.zeros((1, 12, width, 3)))

    def test_refuses_another_rank(self):
        with pytest.raises(InputError, match=r"images of shape \(8, 8, 3\); expected \(B, H, W, 3\)"):
            ResNetGenerator(0, 1)(np.zeros((8, 8, 3)))

    @pytest.mark.parametrize("size", [(10, 12), (4, 8)])
    def test_fast_style_refuses_what_it_cannot_take(self, size):
        with pytest.raises(InputError, match=r"expected multiples of 4 from 8 on$"):
            FastStyleGenerator(1, 0)(np.zeros((1, *size, 3)))
        assert FastStyleGenerator(1, 1)(np.zeros((1, 8, 12, 3))).shape == (1, 8, 12, 3)

    def test_other_channels(self):
        assert ResNetGenerator(0, 2, channels=1)(np.zeros((1, 8, 8, 1))).shape == (1, 8, 8, 1)
        assert UNetGenerator(128, 1, channels=4)(np.zeros((1, 128, 128, 4))).shape == (1, 128, 128, 4)


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        (ResNetGenerator, {"blocks": -1}),
        (ResNetGenerator, {"filters": 0}),
        (ResNetGenerator, {"channels": 2.5}),
        (ResNetGenerator, {"upsampling": "bilinear"}),
        (ResNetGenerator, {"affine": 1}),
        (UNetGenerator, {"size": 64}),
        (UNetGenerator, {"filters": "64"}),
        (FastStyleGenerator, {"filters": 0}),
        (FastStyleGenerator, {"blocks": -1}),
    ],
)
def test_refuses_arguments(network, arguments):
    with pytest.raises(InputError, match=f"{next(iter(arguments))} is"):
        network(**arguments)


@pytest.mark.integration
def test_a_saved_model_is_read_in_a_new_process(tmp_path):
    images = noise(1, 128, 128, 3)
    np.save(tmp_path / "images.npy", images)
    models = {kind: make() for kind, make in NETWORKS.items()} | {"patch": PatchDiscriminator(2, seed=1)}
    for kind, model in models.items():
        model.save(tmp_path / f"{kind}.keras")
    script = (
        "import sys, json, numpy as np, keras_style\n"
        "from keras_style.models import fast_style_generator, patch_discriminator, resnet_generator, unet_generator\n"
        "from keras_style.internal.tensorflow import keras\n"
        "folder, images = sys.argv[1], np.load(sys.argv[1] + '/images.npy')\n"
        "kinds = {}\n"
        "for kind in sys.argv[2:]:\n"
        "    model = keras.models.load_model(f'{folder}/{kind}.keras')\n"
        "    kinds[kind] = type(model).__name__\n"
        "    np.save(f'{folder}/{kind}.npy', model(images))\n"
        "print(json.dumps(kinds))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path, *models], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == {kind: type(model).__name__ for kind, model in models.items()}
    for kind, model in models.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{kind}.npy"), model(images), atol=1e-6)
