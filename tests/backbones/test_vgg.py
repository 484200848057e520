"""The networks against a forward pass written out in NumPy, and against keras.applications."""

import dataclasses

import numpy as np
import pytest
from oracles import vgg

from keras_style import Stylizer, backbones
from keras_style.backbones import weights
from keras_style.backbones.vgg import VGG
from keras_style.checks import PRECISIONS
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf
from keras_style.optimize.gradient import as_written

HEIGHT, WIDTH = 33, 19  # pooled to 16 x 9, 8 x 4, 4 x 2, 2 x 1: odd sides at every depth
CONVOLUTIONS = weights.INSTALLED_LAYERS


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((HEIGHT, WIDTH, 3))


@pytest.fixture(scope="module", params=["max", "average"])
def pooled(request, backbone, image):
    """A backbone of each pooling, and its feature maps by NumPy."""
    return dataclasses.replace(backbone, pooling=request.param), vgg.forward(image, backbone.kernels, request.param)


def graph_of(backbone: VGG, layers: list[str]):
    function = tf.function(lambda images: backbone(images, layers))
    return function.get_concrete_function(tf.TensorSpec([1, 16, 16, 3], tf.float32))


def operations(concrete, kind: str) -> list:
    return [operation for operation in concrete.graph.get_operations() if operation.type == kind]


# Feature maps


@pytest.mark.parametrize(("dtype", "tolerance"), [(tf.float64, 1e-10), (tf.float32, 1e-4)])
def test_every_layer_is_that_of_the_forward_pass_by_numpy(pooled, image, dtype, tolerance):
    backbone, expected = pooled
    features = backbone(tf.constant(image[None], dtype), CONVOLUTIONS)
    assert set(features) == set(expected)
    for layer, wanted in expected.items():
        assert features[layer].dtype == dtype
        assert features[layer].shape == (1, *wanted.shape)
        assert wanted.max() > 1
        np.testing.assert_allclose(features[layer][0], wanted, rtol=tolerance, atol=tolerance * wanted.max())


def test_poolings_differ_from_the_second_block_on(backbone, image):
    layers = ["block1_conv2", "block2_conv1"]
    largest = backbone(tf.constant(image[None]), layers)
    average = dataclasses.replace(backbone, pooling="average")(tf.constant(image[None]), layers)
    assert (largest["block1_conv2"].numpy() == average["block1_conv2"].numpy()).all()
    assert not np.allclose(largest["block2_conv1"], average["block2_conv1"], rtol=0.01)


@pytest.mark.parametrize(("network", "name"), [("vgg16", "vgg16_imagenet_full"), ("vgg19", "vgg19_imagenet")])
def test_feature_maps_are_those_of_keras_applications(network, name, tmp_path, image):
    keras.utils.set_random_seed(0)
    application = getattr(keras.applications, network)
    model = getattr(application, network.upper())(weights=None, include_top=False)
    layers = [layer for layer in model.layers if "_conv" in layer.name]
    for layer in layers:  # Keras starts with biases of zero, which would hide their order
        layer.bias.assign(np.random.default_rng(layer.filters).normal(0, 3, layer.filters))
    model.save_weights(tmp_path / "random.weights.h5")

    backbone = backbones.get(name, file=tmp_path / "random.weights.h5")
    assert list(backbone.kernels) == [layer.name for layer in layers] == list(weights.layer_names(network))
    preprocessed = application.preprocess_input(255 * image[None].astype(np.float32))
    expected = keras.Model(model.input, [layer.output for layer in layers])(preprocessed)
    features = backbone(tf.constant(image[None], tf.float32), backbone.kernels)
    for layer, wanted in zip(layers, expected, strict=True):
        np.testing.assert_allclose(features[layer.name], wanted, rtol=1e-4, atol=1e-4 * np.max(wanted))


def test_images_of_a_batch_do_not_see_each_other(backbone):
    images = tf.random.stateless_uniform([2, 16, 18, 3], [0, 0])
    together = backbone(images, ["block3_conv1"])["block3_conv1"]
    alone = [backbone(image[None], ["block3_conv1"])["block3_conv1"][0] for image in images]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-3)


def test_layer_image_is_the_pixels(backbone, image):
    features = backbone(tf.constant(image[None]), ["image", "block1_conv1"])
    assert (features["image"].numpy() == image).all()
    assert features["block1_conv1"].shape == (1, HEIGHT, WIDTH, 64)


# The graph


@pytest.mark.parametrize(
    ("layers", "convolutions", "poolings"),
    [
        (["image"], 0, 0),
        (["block1_conv1"], 1, 0),
        (["block2_conv2", "image"], 4, 1),
        (["block3_conv1", "block1_conv2"], 5, 2),
        (["block5_conv1"], 11, 4),
    ],
)
def test_network_ends_at_the_deepest_layer_that_is_asked_for(backbone, layers, convolutions, poolings):
    concrete = graph_of(backbone, layers)
    assert len(operations(concrete, "Conv2D")) == convolutions
    assert len(operations(concrete, "MaxPool")) == poolings


def test_weights_of_a_prepared_network_are_part_of_the_graph(backbone):
    concrete = graph_of(backbone.prepared([]), ["block2_conv1"])
    assert list(concrete.captured_inputs) == []
    filters = [operation.inputs[1].op for operation in operations(concrete, "Conv2D")]
    assert [each.type for each in filters] == ["Identity"] * 3  # for oneDNN no constants, which get another algorithm
    assert [each.inputs[0].op.type for each in filters] == ["Const"] * 3
    assert [operation.inputs[1].op.type for operation in operations(concrete, "BiasAdd")] == ["Const"] * 3


def test_graphs_share_the_weights_of_any_other(backbone):
    """Each of them would be of their size, and take a second longer to start."""
    captured = [graph_of(backbone, ["block2_conv1"]).captured_inputs for _ in range(2)]
    assert [each.shape[-1] for each in captured[0]] == [64, 64, 128]
    assert all(one is other for one, other in zip(*captured, strict=True))


@pytest.mark.parametrize("sides", [(40, 48), (None, None)])
def test_a_graph_has_the_bits_of_an_eager_call(backbone, photograph, sides):
    image = tf.constant(photograph[None])
    assert image.shape == (1, 40, 48, 3)  # from block 3 on, Winograd's convolution does not pay any more
    eager = backbone(image, CONVOLUTIONS)
    in_graph = as_written(lambda images: backbone(images, CONVOLUTIONS), [tf.TensorSpec((1, *sides, 3), tf.float32)])
    for name, maps in in_graph(image).items():
        np.testing.assert_array_equal(maps, eager[name])


# Normalization


def test_normalized_network_has_a_mean_activation_of_one_everywhere(backbone, painting):
    normalized = backbone.normalized([painting])
    features = normalized(tf.constant(painting[None]), CONVOLUTIONS)
    np.testing.assert_allclose([np.mean(maps) for maps in features.values()], 1, rtol=1e-4)


def test_normalization_is_over_all_images(backbone, photograph, painting):
    normalized = backbone.normalized([photograph, painting])
    means = [
        [np.mean(maps) for maps in normalized(tf.constant(image[None]), CONVOLUTIONS).values()]
        for image in (photograph, painting)
    ]
    np.testing.assert_allclose(np.mean(means, axis=0), 1, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_normalized_features_are_proportional_to_the_original(backbone, photograph, painting, pooling):
    original = dataclasses.replace(backbone, pooling=pooling)
    normalized = original.normalized([painting])
    assert normalized.backbone.pooling == pooling
    of_original = original(tf.constant(painting[None]), CONVOLUTIONS)
    expected = original(tf.constant(photograph[None]), CONVOLUTIONS)
    for layer, maps in normalized(tf.constant(photograph[None]), CONVOLUTIONS).items():
        wanted = expected[layer] / np.mean(of_original[layer])
        np.testing.assert_allclose(maps, wanted, rtol=1e-3, atol=1e-4 * np.max(wanted))


def test_normalization_leaves_the_original_as_it_was(backbone, painting):
    before = backbone.kernels["block1_conv1"][0].copy()
    backbone.normalized([painting])
    assert (backbone.kernels["block1_conv1"][0] == before).all()


def test_silent_layer_is_not_normalized(painting):
    silent = VGG("silent", {"block1_conv1": (np.zeros((3, 3, 3, 2), np.float32), -np.ones(2, np.float32))})
    normalized = silent.normalized([painting])
    assert normalized.scales == {}
    assert (normalized(tf.constant(painting[None]), ["block1_conv1"])["block1_conv1"].numpy() == 0).all()


# Bad arguments


def test_unknown_layer_is_named_with_those_there_are(backbone):
    with pytest.raises(InputError, match=r"vgg16_imagenet has no layer 'block3_conv4'; .*image, block1_conv1, "):
        backbone(tf.zeros([1, 16, 16, 3]), ["block1_conv1", "block3_conv4"])


def test_unknown_pooling_is_named_with_those_there_are():
    with pytest.raises(InputError, match="pooling is 'median'; expected one of max, average"):
        backbones.get("vgg16_imagenet", pooling="median")


def test_unknown_backbone_is_named_with_those_there_are():
    with pytest.raises(InputError, match="'resnet50' is unknown; expected one of vgg16_imagenet, "):
        backbones.get("resnet50")


@pytest.mark.integration
def test_bfloat16_holds_the_loss_to_one_percent(photograph, painting):
    ends = []
    for precision in PRECISIONS:
        network = backbones.get("vgg16_imagenet", precision=precision)
        assert network(tf.constant(photograph[None]), ["block1_conv1"])["block1_conv1"].dtype == tf.float32
        stylizer = Stylizer(size=32, scales=1, steps=6, optimizer="adam", backbone=network)
        ends.append(stylizer(photograph, painting, verbose=0).history["loss"])
    assert ends[1][0] == pytest.approx(ends[0][0], rel=0.01)
    np.testing.assert_allclose(ends[1], ends[0], rtol=0.02)  # of pictures that have gone apart
    assert ends[0][-1] < 0.7 * ends[0][0] and not np.array_equal(*ends)


def test_unknown_precision_is_named_with_those_there_are():
    with pytest.raises(InputError, match="precision is 'float16'; expected one of float32, mixed_bfloat16"):
        backbones.get("vgg16_imagenet", precision="float16")
