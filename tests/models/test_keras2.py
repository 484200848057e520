"""Models of Keras 2.15 and tensorflow-addons 0.23 give the output that they had there; the rest is refused."""

import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from keras_style.errors import InputError, MissingFileError, WeightsError
from keras_style.internal.tensorflow import keras, tf
from keras_style.layers import InstanceNormalization, ReflectionPadding2D
from keras_style.models.loading.keras2 import load_legacy
from keras_style.models.resnet_generator import ResNetGenerator

layers = keras.layers


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """What tests/fixtures/legacy/make.py made with the old programs."""
    folder = tmp_path_factory.mktemp("legacy")
    with tarfile.open(Path(__file__).parents[1] / "fixtures" / "legacy" / "files.tar.xz") as together:
        # The first releases of Python 3.11 know no filter; the archive is our own.
        together.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return folder


def assert_output_is_that_of(files: Path, name: str, model) -> None:
    with np.load(files / f"{name}.npz") as old:
        assert old["expected"].std() > 0.1  # a network that answers the same to everything would prove nothing
        np.testing.assert_allclose(model(old["images"], training=False), old["expected"], rtol=0, atol=1e-5)


def tfa_normalization():
    return InstanceNormalization(epsilon=1e-3, center=True, scale=True)


def keras_io_generator(filters: int = 2, blocks: int = 1):
    """keras.io's CycleGAN generator as one would write it today, with names of its own."""

    def convolve(x, filters, size=3, strides=1, padding="valid"):
        return layers.Conv2D(filters, size, strides, padding, use_bias=False)(x)

    image = layers.Input((None, None, 3))
    x = layers.ReLU()(tfa_normalization()(convolve(ReflectionPadding2D(3)(image), filters, 7)))
    for factor in (2, 4):
        x = layers.ReLU()(tfa_normalization()(convolve(x, factor * filters, strides=2, padding="same")))
    for _ in range(blocks):
        y = layers.ReLU()(tfa_normalization()(convolve(ReflectionPadding2D(1)(x), 4 * filters)))
        x = layers.Add()([x, tfa_normalization()(convolve(ReflectionPadding2D(1)(y), 4 * filters))])
    for factor in (2, 1):
        x = layers.Conv2DTranspose(factor * filters, 3, 2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(tfa_normalization()(x))
    return keras.Model(image, layers.Conv2D(3, 7, activation="tanh")(ReflectionPadding2D(3)(x)))


class ResidualBlock(layers.Layer):
    """A program's own layer, rewritten for Keras 3."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.first = layers.Conv2D(filters, 3, padding="same")
        self.norms = [tfa_normalization(), tfa_normalization()]
        self.second = layers.Conv2D(filters, 3, padding="same")

    def build(self, input_shape):
        for layer in (self.first, *self.norms, self.second):
            layer.build(input_shape)

    def call(self, x):
        return x + self.norms[1](self.second(tf.nn.relu(self.norms[0](self.first(x)))))


# Whole models


@pytest.mark.parametrize(
    "file",
    [
        "keras_io.h5",
        "keras_io.keras",
        "lynnho.h5",
        "lynnho.keras",
        "operators.h5",
        "operators.keras",
        "tutorial.h5",
        "tutorial.keras",
        "tutorial_tfa.h5",
        "shared.h5",
        "shared.keras",
    ],
)
def test_whole_model_has_the_output_of_the_old_program(files, file):
    model = load_legacy(files / file)
    assert_output_is_that_of(files, file.split(".")[0], model)
    assert not model.compiled


@pytest.mark.parametrize("file", ["blocks.h5", "blocks.keras"])
def test_a_layer_of_the_program_is_made_by_the_given_class(files, file):
    assert_output_is_that_of(
        files, "blocks", load_legacy(files / file, custom_objects={"ResidualBlock": ResidualBlock})
    )


def test_a_given_class_comes_before_a_known_one(files):
    class Zeros(layers.ZeroPadding2D):
        pass

    model = load_legacy(files / "keras_io.h5", custom_objects={"ReflectionPadding2D": Zeros})
    assert sum(isinstance(layer, Zeros) for layer in model.layers) == 4


@pytest.mark.parametrize("place", ["batch_input_shape", "build_input_shape"])
def test_a_sequential_model_without_an_input_layer(files, tmp_path, place):
    shutil.copy(files / "blocks.h5", tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5", "a") as file:
        model = json.loads(file.attrs["model_config"])
        first = model["config"]["layers"].pop(0)
        shape = first["config"]["batch_input_shape"]
        assert model["config"]["layers"][0]["config"].pop("batch_input_shape") == shape
        (model["config"] if place == "build_input_shape" else model["config"]["layers"][0]["config"])[place] = shape
        file.attrs["model_config"] = json.dumps(model)
    model = load_legacy(tmp_path / "old.h5", custom_objects={"ResidualBlock": ResidualBlock})
    assert_output_is_that_of(files, "blocks", model)


def test_names_and_frozen_layers_stay(files):
    model = load_legacy(files / "shared.keras")
    assert {"block", "paint"} <= {layer.name for layer in model.layers}
    assert [layer.trainable for layer in model.get_layer("block").layers] == [False, True, True, True, True]


def test_the_model_is_of_keras_3_from_then_on(files, tmp_path):
    model = load_legacy(files / "lynnho.h5")
    model.save(tmp_path / "today.keras")
    assert_output_is_that_of(files, "lynnho", keras.models.load_model(tmp_path / "today.keras"))
    assert model(np.zeros((1, 20, 28, 3), "float32")).shape == (1, 20, 28, 3)  # it was saved with any size


def edited(source: Path, target: Path, edit) -> Path:
    """A copy of an .h5 file with another description of the model."""
    shutil.copy(source, target)
    with h5py.File(target, "a") as file:
        config = json.loads(file.attrs["model_config"])
        edit(config["config"]["layers"])
        file.attrs["model_config"] = json.dumps(config)
    return target


def test_a_mixed_policy_stays(files, tmp_path):
    def edit(layers):
        for layer in layers[1:]:
            layer["config"]["dtype"] = {"class_name": "Policy", "config": {"name": "mixed_bfloat16"}}

    model = load_legacy(edited(files / "keras_io.h5", tmp_path / "mixed.h5", edit))
    assert {layer.dtype_policy.name for layer in model.layers[1:]} == {"mixed_bfloat16"}


def test_a_regularizer_stays(files, tmp_path):
    regularizer = {"class_name": "L2", "config": {"l2": 0.5}}

    def edit(layers):
        layers[3]["config"]["gamma_regularizer"] = regularizer

    model = load_legacy(edited(files / "keras_io.h5", tmp_path / "regular.h5", edit))
    assert_output_is_that_of(files, "keras_io", model)
    normalization = model.layers[3]
    np.testing.assert_allclose(sum(model.losses), 0.5 * np.sum(np.square(normalization.gamma)), rtol=1e-6)


# Weights for an architecture


@pytest.mark.parametrize(
    "file", ["keras_io_weights.h5", "keras_io.weights.h5", "keras_io_ckpt", "keras_io_ckpt.index", "keras_io.h5"]
)
def test_weights_into_the_rebuilt_architecture(files, file):
    model = keras_io_generator()
    assert load_legacy(files / file, model=model) is model
    assert_output_is_that_of(files, "keras_io", model)


@pytest.mark.parametrize(
    ("file", "prefix", "network"),
    [
        ("cyclegan_ckpt", "gen_G", "gen_G"),
        ("cyclegan_ckpt", "gen_F", "gen_F"),
        ("cyclegan_weights.h5", "generator_F", "gen_F"),
        ("cyclegan.weights.h5", "layers/functional_1", "gen_F"),
    ],
)
def test_one_network_of_a_cyclegan(files, file, prefix, network):
    model = load_legacy(files / file, model=keras_io_generator(), prefix=prefix)
    assert_output_is_that_of(files, f"cyclegan_{network}", model)


def test_checkpoint_of_the_tutorial(files):
    model = keras.models.clone_model(load_legacy(files / "tutorial.h5"))
    for file, prefix in (("tutorial_ckpt", "generator_g"), ("tutorial.weights.h5", None)):
        for weight in model.weights:
            weight.assign(tf.zeros(weight.shape))
        assert_output_is_that_of(files, "tutorial", load_legacy(files / file, model=model, prefix=prefix))


def test_checkpoint_of_the_published_geometry_into_this_library_s_network(files):
    generator = ResNetGenerator(blocks=1, filters=2, affine=True)
    assert load_legacy(files / "published_ckpt", model=generator) is generator
    assert_output_is_that_of(files, "published", generator)


@pytest.mark.parametrize("name", ["shared", "blocks"])
def test_checkpoint_of_nested_layers(files, name):
    model = load_legacy(files / f"{name}.h5", custom_objects={"ResidualBlock": ResidualBlock})
    for weight in model.weights:
        weight.assign(tf.zeros(weight.shape))
    assert_output_is_that_of(files, name, load_legacy(files / f"{name}_ckpt", model=model))


def test_latest_checkpoint_of_a_folder(files, tmp_path):
    for file in files.glob("keras_io_ckpt*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "keras_io_ckpt"\n')
    assert_output_is_that_of(files, "keras_io", load_legacy(tmp_path, model=keras_io_generator()))


def test_long_lists_of_names_are_in_pieces(files, tmp_path):
    """Keras 2 cuts attributes that HDF5 cannot hold."""
    shutil.copy(files / "keras_io_weights.h5", tmp_path / "cut.h5")
    with h5py.File(tmp_path / "cut.h5", "a") as file:
        names = file.attrs["layer_names"]
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:10], names[10:]
    assert_output_is_that_of(files, "keras_io", load_legacy(tmp_path / "cut.h5", model=keras_io_generator()))


def test_archives_of_keras_2_12_count_layers_otherwise(files, tmp_path):
    """Groups are named conv2d, conv2d_2, ... in another folder, and numbers are wrapped; seen in a file of 2.12.1."""

    def rename(name):
        *kind, number = name.split("_")
        return "_".join([*kind, str(2 * int(number))]) if number.isdigit() else name

    with zipfile.ZipFile(files / "keras_io.keras") as old, zipfile.ZipFile(tmp_path / "old.keras", "w") as new:
        config = json.loads(old.read("config.json"))
        relu = next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Activation")
        number = {"class_name": "__numpy__", "config": {"value": 0.0, "dtype": "float32"}}
        relu["class_name"], relu["config"] = "ReLU", {"name": relu["name"], "threshold": number}
        weights = io.BytesIO(old.read("model.weights.h5"))
        with h5py.File(weights, "a") as file:
            file.move("layers", "_layer_checkpoint_dependencies")
            container = file["_layer_checkpoint_dependencies"]
            for name in list(container):
                container.move(name, f"new {rename(name)}")
            for name in list(container):
                container.move(name, name.removeprefix("new "))
        new.writestr("metadata.json", old.read("metadata.json"))
        new.writestr("config.json", json.dumps(config))
        new.writestr("model.weights.h5", weights.getvalue())
    assert_output_is_that_of(files, "keras_io", load_legacy(tmp_path / "old.keras"))


# What does not fit


@pytest.mark.parametrize(
    ("file", "prefix", "options"),
    [
        ("keras_io_weights.h5", None, {"filters": 4}),
        ("keras_io_weights.h5", None, {"blocks": 2}),
        ("keras_io_weights.h5", None, {"blocks": 0}),
        ("keras_io.weights.h5", None, {"filters": 4}),
        ("keras_io.weights.h5", None, {"blocks": 2}),
        ("keras_io.weights.h5", None, {"blocks": 0}),
        ("keras_io_ckpt", None, {"filters": 4}),
        ("keras_io_ckpt", None, {"blocks": 2}),
        ("keras_io_ckpt", None, {"blocks": 0}),
        ("cyclegan_ckpt", "disc_X", {}),
        ("cyclegan_ckpt", "generator", {}),
        ("cyclegan_weights.h5", "gen_G", {}),
        ("cyclegan.weights.h5", "layers/functional_2", {}),
    ],
)
def test_another_architecture_is_refused_and_left_as_it_was(files, file, prefix, options):
    model = keras_io_generator(**options)
    before = model.get_weights()
    with pytest.raises(WeightsError, match=file) as caught:
        load_legacy(files / file, model=model, prefix=prefix)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_weights_of_equal_shape_are_told_apart_by_their_names(files, tmp_path):
    """A layer that was frozen when it was saved comes last in its block."""
    shutil.copy(files / "shared.h5", tmp_path / "shared.h5")
    with h5py.File(tmp_path / "shared.h5", "a") as file:
        block = file["model_weights/block"]
        names = list(block.attrs["weight_names"])
        block.attrs["weight_names"] = [names[1], names[0], *names[2:]]  # beta and gamma
    with pytest.raises(WeightsError, match=r"batch_normalization/beta.* is gamma"):
        load_legacy(tmp_path / "shared.h5")


def test_networks_are_listed_where_a_prefix_is_missing(files):
    with pytest.raises(WeightsError, match=r"which has disc_X, disc_Y, gen_F, gen_G; .*prefix="):
        load_legacy(files / "cyclegan_ckpt", model=keras_io_generator())
    with pytest.raises(InputError, match="'gen_G'; expected one of layers/functional, layers/functional_1"):
        load_legacy(files / "cyclegan.weights.h5", model=keras_io_generator(), prefix="gen_G")


# What is refused


def test_all_unknown_layers_are_named_at_once(files):
    with pytest.raises(InputError, match=r"Lambda, ResidualBlock, the function tf\.reverse; pass custom_objects"):
        load_legacy(files / "refused.h5")


@pytest.mark.parametrize("file", ["keras_io_weights.h5", "keras_io.weights.h5", "keras_io_ckpt"])
def test_weights_alone_need_an_architecture(files, file):
    with pytest.raises(InputError, match="architecture, rebuilt, as model="):
        load_legacy(files / file)


def test_saved_model_folder_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(InputError, match=r"SavedModel folder.*keras\.layers\.TFSMLayer\("):
        load_legacy(tmp_path)


@pytest.mark.parametrize("name", ["today.h5", "today.keras"])
def test_files_of_keras_3_belong_to_keras(tmp_path, name):
    keras.Sequential([keras.Input((2,)), layers.Dense(1)]).save(tmp_path / name)
    with pytest.raises(InputError, match=r"Keras 3.*keras\.models\.load_model opens it"):
        load_legacy(tmp_path / name)


def test_other_files_are_refused(files, tmp_path):
    with pytest.raises(MissingFileError, match="no such file"):
        load_legacy(tmp_path / "nothing.h5")
    with pytest.raises(InputError, match="folder without a checkpoint"):
        load_legacy(tmp_path)
    (tmp_path / "text.h5").write_text("not a model")
    with pytest.raises(InputError, match="neither HDF5 nor"):
        load_legacy(tmp_path / "text.h5")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["measurements"] = [1, 2]
    with pytest.raises(InputError, match="another program: measurements"):
        load_legacy(tmp_path / "data.h5")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme", "")
    with pytest.raises(InputError, match=r"expected a \.keras file"):
        load_legacy(tmp_path / "other.zip")
    (tmp_path / "half.h5").write_bytes((files / "keras_io.h5").read_bytes()[:40000])
    with pytest.raises(InputError, match=r"half\.h5 cannot be read: .*truncated"):
        load_legacy(tmp_path / "half.h5")
    shutil.copy(files / "keras_io_ckpt.index", tmp_path)  # without its data
    with pytest.raises(WeightsError, match="keras_io_ckpt"):
        load_legacy(tmp_path / "keras_io_ckpt", model=keras_io_generator())


def test_a_subclassed_model_s_archive_needs_an_architecture(files, tmp_path):
    with zipfile.ZipFile(files / "keras_io.keras") as old, zipfile.ZipFile(tmp_path / "own.keras", "w") as new:
        for name in ("metadata.json", "model.weights.h5"):
            new.writestr(name, old.read(name))
        new.writestr("config.json", json.dumps({"class_name": "CycleGan", "config": {}}))
    with pytest.raises(InputError, match="class CycleGan, whose layers are not in the file"):
        load_legacy(tmp_path / "own.keras")


def test_arguments_that_do_not_go_together(files):
    with pytest.raises(InputError, match="prefix is 'gen_G' without model"):
        load_legacy(files / "cyclegan_ckpt", prefix="gen_G")
    with pytest.raises(InputError, match="Sequential; expected a Keras 3 model that is built"):
        load_legacy(files / "keras_io_ckpt", model=keras.Sequential([layers.Dense(1)]))
    with pytest.raises(InputError, match="str; expected a Keras 3 model"):
        load_legacy(files / "keras_io_ckpt", model="generator")


@pytest.mark.parametrize(
    ("number", "change", "message"),
    [
        (3, {"class_name": "InstanceNormalization"}, "known for InstanceNormalization"),  # keras-contrib's: has an axis
        (4, {"class_name": "Addons>Maxout"}, "known for Addons>Maxout"),
        (4, {"class_name": "Own", "config": {"name": "a", "layers": 3}}, "known for Own"),
        (4, {"class_name": "Softmax", "module": "keras_contrib.layers"}, "known for Softmax"),
        (4, {"config": {"name": "a", "activation": {"class_name": "__lambda__"}}}, "known for __lambda__ inside a"),
        (1, {"config": {"padding": [1, 2]}}, "programs differ in which of the two is the height"),
        (2, {"config": {"filters": 2}}, r"\(Conv2D\) cannot be made: .*kernel_size"),
        (4, {"inbound_nodes": [[["conv2d_9", 0, 0, {}]]]}, "nothing leads to activation, "),
    ],
)
def test_a_description_that_cannot_be_followed(files, tmp_path, number, change, message):
    path = edited(files / "keras_io.h5", tmp_path / "edited.h5", lambda layers: layers[number].update(change))
    with pytest.raises(InputError, match=message):
        load_legacy(path)


@pytest.mark.parametrize(
    ("function", "options"),
    [
        ("compat.v1.pad", {"paddings": [[0, 0], [1, 1], [1, 1], [0, 0]], "mode": "SYMMETRIC"}),
        ("compat.v1.pad", {"paddings": [[0, 0], [1, 1], [1, 1], [0, 1]]}),
        ("compat.v1.pad", {"paddings": [[0, 0], [1, 1], [1, 1], [0, 0]], "constant_values": 1}),
        ("math.multiply", {"y": [1.0, 2.0, 3.0]}),
        ("math.truediv", {"y": ["input_4", 0, 0]}),
        ("nn.relu", {"threshold": 1.0}),
    ],
)
def test_functions_in_forms_that_are_not_known(files, tmp_path, function, options):
    def edit(layers):
        layers[1]["config"]["function"], layers[1]["inbound_nodes"][0][3] = function, options
        layers[1]["inbound_nodes"][0][0] = layers[0]["name"]
        if function == "math.truediv":
            options["y"][0] = layers[0]["name"]

    with pytest.raises(InputError, match=r"\(TFOpLambda\) cannot be called"):
        load_legacy(edited(files / "operators.h5", tmp_path / "edited.h5", edit))
