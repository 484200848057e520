"""Files of models that are damaged, claim more than they have, or name what they may not: one error each."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest
from running import command

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
from keras_style.models.cyclegan import CycleGAN
from keras_style.models.loading import presets
from keras_style.models.loading.keras2 import load_legacy
from keras_style.models.loading.open_generator import open_generator
from keras_style.models.resnet_generator import ResNetGenerator

CONFIG, WEIGHTS = "config.json", "model.weights.h5"


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The members of a `.keras` file of this library's generator."""
    path = tmp_path_factory.mktemp("network") / "network.keras"
    ResNetGenerator(filters=1, blocks=0, seed=0).save(path)
    return members(path)


@pytest.fixture(scope="module")
def functional(tmp_path_factory):
    """The same, of any program's: two convolutions."""
    images = keras.Input((None, None, 3))
    hidden = keras.layers.Conv2D(4, 3, padding="same", name="first")(images)
    path = tmp_path_factory.mktemp("functional") / "functional.keras"
    keras.Model(images, keras.layers.Conv2D(3, 3, padding="same", name="second")(hidden)).save(path)
    return members(path)


@pytest.fixture
def archive(tmp_path):
    """A `.keras` file of these members."""

    def archive(content, compression=zipfile.ZIP_STORED):
        path = tmp_path / "model.keras"
        with zipfile.ZipFile(path, "w", compression) as file:
            for name, data in content.items():
                file.writestr(name, data)
        return path

    return archive


def described(content, change):
    """The members with another description."""
    config = json.loads(content[CONFIG])
    change(config["config"])
    return {**content, CONFIG: json.dumps(config).encode()}


def weighted(content, change):
    """The members with other weights."""
    file = io.BytesIO(content[WEIGHTS])
    with h5py.File(file, "r+") as weights:
        change(weights)
    return {**content, WEIGHTS: file.getvalue()}


def refusal(path, open_file=open_generator):
    with pytest.raises(InputError) as caught:
        open_file(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message and len(message) < len(str(path)) + 600
    return message


def layer(kind, **config):
    return {"module": "keras.layers", "class_name": kind, "config": {"name": "a", **config}, "registered_name": None}


@pytest.mark.parametrize(
    ("replaced", "says"),
    [
        ({CONFIG: None}, "no item named 'config.json'"),
        ({WEIGHTS: None}, "no item named 'model.weights.h5'"),
        ({WEIGHTS: b"none"}, "cannot be opened"),
        ({CONFIG: b"{"}, "Expecting property name"),
        ({CONFIG: b"[1]"}, "cannot be opened"),
        ({CONFIG: b"null"}, "cannot be opened"),
        ({CONFIG: b"\xff\xfe\x00"}, "cannot be opened"),
        ({CONFIG: b"[" * 100_000}, "nested too deeply"),
        ({CONFIG: b'{"a":' * 900 + b"1" + b"}" * 900}, "recursion"),
        ({CONFIG: b'{"a": ' + b"9" * 5000 + b"}"}, "4300 digits"),
        ({CONFIG: b" " * 5_000_000}, "config.json has more than"),
        ({CONFIG: json.dumps(layer("Dense", units=3)).encode()}, "holds a Dense; expected a model"),
        ({"assets/zeros": bytes(2**25)}, "its members would take 33,"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_members_of_an_archive(replaced, says, network, archive):
    content = {name: data for name, data in {**network, **replaced}.items() if data is not None}
    assert says in refusal(archive(content, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_what_is_cut_short(share, network, archive):
    path = archive(network)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert "cut short" in refusal(path)


def test_a_flipped_byte(network, archive):
    path = archive(network)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    assert "Bad CRC-32" in refusal(path)


@pytest.mark.parametrize(
    "config",
    [{"filters": 100_000}, {"filters": 3000}, {"blocks": 1000, "filters": 30}, {"channels": 100_000}],
    ids=str,
)
def test_weights_that_are_described_and_not_there(config, network, archive):
    assert "it describes weights of" in refusal(archive(described(network, lambda given: given.update(config))))


def test_layers_that_only_compute_are_opened(functional, archive):
    opened = open_generator(archive(functional))
    assert opened(np.zeros((1, 8, 8, 3))).shape == (1, 8, 8, 3)
    huge = described(functional, lambda config: config["layers"][1]["config"].update(filters=200_000_000))
    assert "it describes weights of 21,600,000,000 bytes" in refusal(archive(huge))


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (layer("StringLookup", vocabulary="/etc/hostname"), "StringLookup"),
        (layer("TextVectorization", vocabulary="/etc/hostname"), "TextVectorization"),
        (layer("TFSMLayer", filepath="/model"), "TFSMLayer"),
        (layer("Lambda", function="f"), "Lambda"),
        (layer("TimeDistributed", layer=layer("IntegerLookup", vocabulary="/etc/hostname")), "IntegerLookup"),
        ({**layer("Evil"), "module": "keras_hub.models"}, "Evil"),
        ({**layer("Conv2D"), "module": "keras_hub.layers"}, "Conv2D"),
        ({**layer("Conv2D"), "module": ["keras"]}, "Conv2D"),
        ({"module": "keras.utils", "class_name": "function", "config": "get_file"}, "function"),
        ({"class_name": "__lambda__", "config": {"value": "4wEA"}}, "__lambda__"),
        ({"class_name": "__numpy__", "config": {"value": ["a"], "dtype": "S2000000000"}}, "__numpy__"),
        ({"class_name": "__typespec__", "config": [], "spec_name": "x", "module": "os"}, "__typespec__"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_classes_that_read_or_run(entry, named, functional, archive):
    path = archive(described(functional, lambda config: config["layers"][1]["config"].update(activation=entry)))
    assert f"{named!r} is no layer that is known here" in refusal(path)


def test_a_class_that_the_program_registered(functional, archive):
    @keras.saving.register_keras_serializable("test_hostile_files")
    class Twice(keras.layers.Layer):
        def call(self, images):
            return 2 * images

    images = keras.Input((None, None, 3))
    path = archive({}).with_name("own.keras")
    keras.Model(images, Twice()(images)).save(path)
    assert float(open_generator(path)(np.ones((1, 4, 4, 3))).numpy().max()) == 2


def nan(weights):
    weights["layers/conv2d/vars/0"][0] = np.nan


def bomb(weights):
    del weights["layers/conv2d/vars/0"]
    weights.create_dataset("layers/conv2d/vars/0", (1000, 1000, 1000), "f4", chunks=(1, 1000, 1000), compression="gzip")


def link(weights):
    del weights["layers/conv2d/vars/0"]
    weights["layers/conv2d/vars/0"] = h5py.ExternalLink("/other.h5", "/x")


def shape(weights):
    del weights["layers/conv2d/vars/0"]
    weights["layers/conv2d/vars/0"] = np.zeros((5, 5), np.float32)


@pytest.mark.parametrize(
    ("change", "says"),
    [(bomb, "would take 4,00"), (link, "is a link"), (shape, "could not be loaded"), (nan, "NaN or infinite")],
)
def test_arrays_of_an_archive(change, says, functional, archive):
    assert says in refusal(archive(weighted(functional, change)))


def test_another_suffix(functional, archive, tmp_path):
    """Behind HDF5 an archive is an archive, too, and Keras goes by the suffix."""
    path = archive(functional).rename(tmp_path / "model.h5")
    assert "expected .keras" in refusal(path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"filters": 100_000}, "it describes weights of"),
        ({"pool_size": 10**6, "image_size": 256}, "it describes weights of"),
        ({"nonsense": 3}, "nonsense"),
        ({"generator": "resnet_9"}, "generator"),
        ({"name": {"a": 1}}, "name"),
    ],
    ids=str,
)
def test_the_description_of_a_preset(changes, says, tmp_path):
    folder = CycleGAN("resnet_6", filters=1, discriminator="pixel").save_to_preset(tmp_path / "preset")
    description = json.loads((folder / presets.DESCRIPTION).read_text())
    description["cyclegan"] |= {"discriminator": "patch_70", **changes}
    (folder / presets.DESCRIPTION).write_text(json.dumps(description))
    with pytest.raises(InputError, match=f"preset .*{says}"):
        CycleGAN.from_preset(folder)


@pytest.mark.parametrize("text", [b"[" * 100_000, b"9" * 5000, b"[]", b"\xff"], ids=["deep", "digits", "list", "bytes"])
def test_the_file_that_describes_a_preset(text, tmp_path):
    (tmp_path / presets.DESCRIPTION).write_bytes(text)
    for open_preset in (CycleGAN.from_preset, open_generator):
        with pytest.raises(InputError, match=r"preset\.json: (cannot be read|expected an object)"):
            open_preset(tmp_path)


def test_every_command_says_it_in_one_line(archive, network, photograph_file, tmp_path, capsys):
    path = archive({**network, CONFIG: b"[" * 100_000})
    output = tmp_path / "out"
    for line in (
        ("translate", photograph_file, "-o", output, "-m", path),
        ("transfer", photograph_file, "-m", path, "-o", tmp_path / "out.png"),
        ("export", path, output),
    ):
        status, out, err = command(capsys, *line)
        assert (status, out, err.count("\n")) == (2, "", 1), line
        assert "nested too deeply" in err
        assert not (tmp_path / "out.png").exists() and not list(output.rglob("*.png"))


# Files of Keras 2


def keras_2(path, layers, change=None):
    """A whole model as Keras 2 wrote it, without weights."""
    first = {"class_name": "InputLayer", "config": {"name": "in", "batch_input_shape": [None, None, None, 3]}}
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [first, *layers]}}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.11.0"
        file.attrs["model_config"] = json.dumps(config)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array([], "S1")
        if change:
            change(file)
    return path


@pytest.mark.parametrize("kind", ["StringLookup", "IntegerLookup", "TextVectorization", "Hashing", "TFSMLayer"])
def test_layers_of_keras_2_that_read(kind, tmp_path):
    (tmp_path / "secret.txt").write_text("secret\n")
    entry = {"class_name": kind, "config": {"name": "a", "vocabulary": str(tmp_path / "secret.txt")}}
    wrapped = {"class_name": "TimeDistributed", "config": {"name": "b", "layer": entry}}
    for layers in ([entry], [wrapped]):
        path = keras_2(tmp_path / "old.h5", layers)
        assert f"no Keras 3 layer is known for {kind}" in refusal(path, load_legacy)


def test_weights_that_keras_2_described_and_that_are_not_there(tmp_path):
    entry = {"class_name": "Conv2D", "config": {"name": "a", "filters": 10**8, "kernel_size": 3}}
    assert "it describes weights of" in refusal(keras_2(tmp_path / "old.h5", [entry]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda file: file.create_dataset("x", (10**5, 10**5), "f4", chunks=(1, 10**5), compression="gzip"), "take"),
        (lambda file: file.create_dataset("x", (8, 8), "f4", maxshape=(None, 8), chunks=(10**7, 8)), "x would take"),
        (lambda file: file.__setitem__("x", h5py.ExternalLink("other.h5", "/x")), "is a link"),
        (lambda file: file.__setitem__("x", h5py.SoftLink("/y")), "is a link"),
        (lambda file: file.create_dataset("x", (9,), "f4", external=[("other", 0, 36)]), "lies in another file"),
        (lambda file: file.create_dataset("x", (9,), h5py.string_dtype()), "holds no numbers"),
        (lambda file: file.attrs.__setitem__("model_config", "[" * 50_000), "nested too deeply"),
        (lambda file: file.attrs.__setitem__("model_config", "3"), "cannot be read"),
    ],
    ids=["shape", "chunk", "external link", "soft link", "external array", "text", "deep", "number"],
)
def test_hdf5_of_keras_2(change, says, tmp_path):
    assert says in refusal(keras_2(tmp_path / "old.h5", [], change))
