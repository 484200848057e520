import numpy as np
import pytest

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.models.networks import DISCRIMINATORS
from keras_style.models.patch_discriminator import PatchDiscriminator
from tests.oracles import torch_networks


def noise(*shape):
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def test_is_as_large_as_the_original():
    discriminator = PatchDiscriminator()
    assert discriminator.count_params() == 2_764_737
    assert discriminator(np.zeros((1, 256, 256, 3))).shape == (1, 30, 30, 1)
    assert discriminator.compute_output_shape((None, 256, 256, 3)) == (None, 30, 30, 1)


@pytest.mark.parametrize("size", [(32, 48), (24, 24), (33, 47), (64, 25)])  # odd sizes lose a row, as in PyTorch
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_geometry_is_pytorchs(size, layers):
    discriminator, images = PatchDiscriminator(2, layers), noise(2, *size, 3)
    rng, kernels = np.random.default_rng(1), []
    for layer in (layer for layer in discriminator.network.layers if layer.weights):
        height, width, before, after = layer.kernel.shape
        weight = rng.normal(0, 1 / np.sqrt(height * width * before), (after, before, height, width))
        kernels.append((weight, rng.normal(size=after)))
        layer.kernel.assign(weight.transpose(2, 3, 1, 0))
        layer.bias.assign(kernels[-1][1])
    channels_first = images.astype(np.float64).transpose(0, 3, 1, 2)
    expected = [torch_networks.discriminator(kernels, image) for image in channels_first]
    np.testing.assert_allclose(discriminator(images), np.transpose(expected, (0, 2, 3, 1)), atol=1e-4)


@pytest.mark.parametrize(("name", "field"), [("pixel", 1), ("patch_16", 16), ("patch_34", 34), ("patch_70", 70)])
def test_a_score_sees_its_patch(name, field):
    # Without normalization, through which every pixel would reach every score.
    whole = DISCRIMINATORS[name](filters=2, seed=0).network
    x = whole.inputs[0]
    for layer in whole.layers[1:]:
        x = x if layer.name.endswith("_norm") else layer(x)
    images = tf.constant(noise(1, 128, 128, 3))
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = keras.Model(whole.inputs, x)(images)
        middle = scores[0, scores.shape[1] // 2, scores.shape[2] // 2, 0]
    seen = np.any(tape.gradient(middle, images)[0], axis=-1)
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (field, field)


@pytest.mark.parametrize(
    ("layers", "filters"), [(0, [4, 8, 1]), (1, [4, 8, 1]), (3, [4, 8, 16, 32, 1]), (5, [4, 8, 16, 32, 32, 32, 1])]
)
def test_filters_double_three_times(layers, filters):
    convolutions = [layer for layer in PatchDiscriminator(4, layers).network.layers if hasattr(layer, "kernel")]
    assert [layer.filters for layer in convolutions] == filters
    assert {layer.kernel_size for layer in convolutions} == {(4, 4) if layers else (1, 1)}
    assert [layer.strides[0] for layer in convolutions] == ([2] * layers + [1, 1] if layers else [1, 1, 1])


def test_slope_and_normalization():
    layers = PatchDiscriminator(4, affine=True).network.layers
    assert {layer.negative_slope for layer in layers if layer.name.endswith("_relu")} == {0.2}
    norms = [layer for layer in layers if layer.name.endswith("_norm")]
    assert [(layer.name, len(layer.weights)) for layer in norms] == [(f"conv_{number}_norm", 2) for number in (2, 3, 4)]


@pytest.mark.parametrize(("layers", "smallest"), [(0, 1), (1, 6), (3, 24)])
def test_refuses_images_that_are_too_small(layers, smallest):
    discriminator = PatchDiscriminator(2, layers, name="d")
    assert discriminator(np.zeros((1, smallest, smallest, 3))).shape == (1, 1, 1, 1)
    with pytest.raises(InputError, match=rf"^d: images of height and width .*; expected {smallest} or more$"):
        discriminator(np.zeros((1, 50, smallest - 1, 3)))
    run = tf.function(discriminator, input_signature=[tf.TensorSpec((None, None, None, 3))])
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{smallest} or more"):
        run(tf.zeros((1, smallest - 1, 50, 3)))


def test_config_clone_seed_and_precision():
    first = PatchDiscriminator(4, 2, channels=1, affine=True, seed=5, name="judge", dtype="mixed_bfloat16")
    again = keras.models.clone_model(first)
    assert type(again) is PatchDiscriminator
    assert again.get_config() == first.get_config()
    np.testing.assert_array_equal(again(noise(1, 32, 32, 1)), first(noise(1, 32, 32, 1)))
    assert first(noise(1, 32, 32, 1)).dtype == "float32"


@pytest.mark.parametrize("arguments", [{"layers": -1}, {"layers": 1.5}, {"filters": 0}, {"affine": "no"}])
def test_refuses_arguments(arguments):
    with pytest.raises(InputError, match=f"{next(iter(arguments))} is"):
        PatchDiscriminator(**arguments)
