"""Weights come from where they should, whole and of the right network, or one error says why not."""

import contextlib
import dataclasses
import hashlib
import http.server
import io
import json
import threading
import urllib.error
import urllib.request
from pathlib import Path

import h5py
import numpy as np
import pytest

from keras_style import backbones
from keras_style.backbones import weights
from keras_style.errors import InputError, MissingFileError, WeightsError
from keras_style.internal.digests import array_digest

NAMES = {"vgg16": "vgg16_imagenet_full", "vgg19": "vgg19_imagenet"}
VGG16, VGG19 = weights.layer_names("vgg16"), weights.layer_names("vgg19")

KERAS_1 = ("{name}/{name}_W_1:0", "{name}/{name}_b_1:0")  # what keras.applications lets download
KERAS_2 = ("{name}/{name}/kernel:0", "{name}/{name}/bias:0")
KERAS_2_MODEL = ("model_weights/{name}/{name}/kernel:0", "model_weights/{name}/{name}/bias:0")
KERAS_3 = ("layers/conv2d{number}/vars/0", "layers/conv2d{number}/vars/1")


def write(path: Path, network: str, layout=KERAS_1, change=lambda name, kernel, bias: (kernel, bias)) -> Path:
    """A file of `network`: layer i has kernels of i and biases of -i, which take no room in HDF5."""
    inputs = 3
    with h5py.File(path, "w") as file:
        for index, name in enumerate(weights.layer_names(network)):
            outputs = weights.CHANNELS[int(name[5]) - 1]
            shapes = change(name, (3, 3, inputs, outputs), (outputs,))
            for place, shape, value in zip(layout, shapes, (index, -index), strict=True):
                place = place.format(name=name, number=f"_{index}" if index else "")
                file.create_dataset(place, shape, np.float32, fillvalue=value)
            inputs = outputs
    return path


@pytest.fixture
def vgg16_file(tmp_path):
    return write(tmp_path / "vgg16.h5", "vgg16")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty KERAS_HOME that does not exist yet."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


@pytest.fixture
def publish(monkeypatch):
    """Makes the download of vgg16_imagenet_full give some bytes, with the digest that those should have."""

    def publish(data: bytes, expected: bytes | None = None) -> None:
        digest = hashlib.sha256(data if expected is None else expected).hexdigest()
        source = dataclasses.replace(weights.SOURCES["vgg16_imagenet_full"], digest=f"sha256:{digest}")
        monkeypatch.setitem(weights.SOURCES, "vgg16_imagenet_full", source)
        monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: io.BytesIO(data))

    return publish


def no_connection(url, timeout):
    raise urllib.error.URLError("Name or service not known")


@contextlib.contextmanager
def served(headers: dict[str, str], body: bytes):
    """The URL of a server that answers once with a promise in `headers` and then `body`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/vgg16.h5"
        thread.join()


def files_under(directory: Path) -> list[str]:
    return [path.name for path in directory.rglob("*") if path.is_file()]


# Layouts


@pytest.mark.parametrize("layout", [KERAS_1, KERAS_2, KERAS_2_MODEL, KERAS_3])
@pytest.mark.parametrize("network", ["vgg16", "vgg19"])
def test_every_layout_of_keras_is_read_in_order(network, layout, tmp_path):
    kernels = weights.load(NAMES[network], write(tmp_path / "weights.h5", network, layout))
    assert tuple(kernels) == weights.layer_names(network)
    for index, (kernel, bias) in enumerate(kernels.values()):
        assert (kernel == index).all()
        assert (bias == -index).all()
        assert (kernel.shape[:2], kernel.shape[3:]) == ((3, 3), bias.shape)


@pytest.mark.parametrize(("network", "count"), [("vgg16", 13), ("vgg19", 16)])
def test_networks_have_the_layers_of_the_paper(network, count):
    names = weights.layer_names(network)
    assert len(names) == count
    assert names[:3] == ("block1_conv1", "block1_conv2", "block2_conv1")
    assert names[-1] == f"block5_conv{3 if network == 'vgg16' else 4}"


def test_half_precision_is_read_as_float32(tmp_path):
    with h5py.File(write(tmp_path / "weights.h5", "vgg16"), "a") as file:
        del file["block1_conv1/block1_conv1_b_1:0"]
        file["block1_conv1/block1_conv1_b_1:0"] = np.full(64, 0.5, np.float16)
    bias = weights.load("vgg16_imagenet_full", tmp_path / "weights.h5")["block1_conv1"][1]
    assert (bias.dtype, bias[0]) == (np.float32, 0.5)


def test_other_layers_of_the_file_are_passed_over(vgg16_file):
    with h5py.File(vgg16_file, "a") as file:
        file["predictions/predictions_W_1:0"] = np.zeros((4096, 10), np.float32)
    assert tuple(weights.load("vgg16_imagenet_full", vgg16_file)) == VGG16


def test_file_can_be_given_with_the_name(vgg16_file):
    backbone = backbones.get(f"vgg16_imagenet_full={vgg16_file}")
    assert backbone.name == "vgg16_imagenet_full"
    assert (backbone.kernels["block2_conv1"][0] == 2).all()


# The weights in the package

# The first number of each kernel [0, 0, 0, 0] and bias [0] of MatConvNet's imagenet-vgg-verydeep-16.mat, as a
# program for Knet.jl prints them. Its first kernel is for RGB, ours for BGR.
MATCONVNET = {
    "block1_conv1": (0.4800154, 0.73429835),
    "block1_conv2": (0.16621928, -0.30912212),
    "block2_conv1": (-0.008902963, -0.04577766),
    "block2_conv2": (-0.0023012366, -0.06418542),
    "block3_conv1": (0.002486315, -0.074358866),
    "block3_conv2": (-0.0103266295, 0.019675018),
    "block3_conv3": (0.0024918285, 0.035415243),
    "block4_conv1": (-0.012453815, 0.013485669),
    "block4_conv2": (0.007116542, 0.023680462),
    "block4_conv3": (-0.0041355654, 0.03757768),
    "block5_conv1": (-0.0006068934, 0.09722325),
}
# Of keras.applications.VGG16, by programs that check what they have loaded: place in the kernel or bias, number.
KERAS = {
    ("block1_conv1", (0, 0, 0, 0)): 0.42947057,
    ("block1_conv1", (0, 1, 0, 0)): 0.373467,
    ("block1_conv1", (0, 0, 1, 0)): 0.55037946,
    ("block1_conv1", (25,)): 0.7446502,
    ("block1_conv1", (9,)): 0.062479325,
    ("block1_conv2", (2, 2, 63, 63)): 0.016082443,
    ("block2_conv1", (1,)): 0.06440781,
}


def test_weights_in_the_package_are_those_published_elsewhere(backbone):
    assert tuple(backbone.kernels) == tuple(MATCONVNET) == VGG16[:11]
    rounding = 2**-11  # of float16, relative; biases are as published
    for layer, (weight, bias) in MATCONVNET.items():
        kernel, biases = backbone.kernels[layer]
        assert kernel[0, 0, 2 if layer == "block1_conv1" else 0, 0] == pytest.approx(weight, rel=rounding)
        assert biases[0] == np.float32(bias)
    for (layer, place), number in KERAS.items():
        of_kernel = len(place) == 4
        array = backbone.kernels[layer][0 if of_kernel else 1]
        assert array[place] == pytest.approx(number, rel=rounding if of_kernel else 1e-7)


def test_each_array_has_the_digest_of_its_card():
    source = weights.SOURCES["vgg16_imagenet"]
    path = source.locate(source)
    card = json.loads(path.with_suffix(".json").read_text())
    with h5py.File(path) as file:
        for name, digest in card["arrays"].items():
            assert array_digest(file[name][()]) == digest
            assert file[name].dtype == (np.float16 if name.endswith("kernel") else np.float32)
    assert len(card["arrays"]) == 22
    assert "CC BY 4.0" in card["license"]


def test_file_in_the_package_with_one_changed_byte_is_refused(tmp_path, monkeypatch):
    source = weights.SOURCES["vgg16_imagenet"]
    data = bytearray(source.locate(source).read_bytes())
    data[len(data) // 2] ^= 1
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(data)
    located = dataclasses.replace(source, locate=lambda source: damaged)
    monkeypatch.setitem(weights.SOURCES, "vgg16_imagenet", located)
    with pytest.raises(WeightsError) as caught:
        weights.load("vgg16_imagenet")
    assert str(damaged) in str(caught.value)
    assert f"its digest is sha256:{hashlib.sha256(data).hexdigest()}, expected {source.digest}" in str(caught.value)


def test_package_without_the_file_is_an_error_of_weights(tmp_path, monkeypatch):
    gone = dataclasses.replace(weights.SOURCES["vgg16_imagenet"], locate=lambda source: tmp_path / "gone.h5")
    monkeypatch.setitem(weights.SOURCES, "vgg16_imagenet", gone)
    with pytest.raises(WeightsError, match=r"gone\.h5: cannot be read \(No such file or directory\)"):
        weights.load("vgg16_imagenet")


def test_no_file_takes_the_place_of_the_one_in_the_package(vgg16_file):
    with pytest.raises(InputError, match=f"takes no file; expected vgg16_imagenet_full={vgg16_file}"):
        backbones.get(f"vgg16_imagenet={vgg16_file}")


# Files that are not what they should be


def test_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"no such file: .*nowhere\.h5"):
        weights.load("vgg16_imagenet_full", tmp_path / "nowhere.h5")


def test_directory_is_not_a_file(tmp_path):
    with pytest.raises(MissingFileError, match="no such file"):
        weights.load("vgg16_imagenet_full", tmp_path)


@pytest.mark.parametrize("content", [b"", b"these are no weights\n" * 100], ids=["empty", "text"])
def test_file_that_is_not_hdf5_is_named(content, tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.h5: not a readable HDF5 file"):
        weights.load("vgg16_imagenet_full", path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_file_is_named(share, vgg16_file):
    data = vgg16_file.read_bytes()
    vgg16_file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(WeightsError, match=r"vgg16\.h5: not a readable HDF5 file"):
        weights.load("vgg16_imagenet_full", vgg16_file)


def test_file_damaged_anywhere_is_read_or_refused_in_one_line(vgg16_file):
    data = vgg16_file.read_bytes()
    outcomes = set()
    for position in range(0, len(data), len(data) // 60):
        damage = bytes(255 - byte for byte in data[position : position + 16])
        vgg16_file.write_bytes(data[:position] + damage + data[position + 16 :])
        try:
            weights.load("vgg16_imagenet_full", vgg16_file)
            outcomes.add("read")
        except WeightsError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"shape": (10**4, 10**4, 5, 5), "chunks": (1, 10**4, 5, 5)}, r"has kernel \(10000, 10000, 5, 5\)"),
        (
            {"shape": (3, 3, 3, 64), "maxshape": (None,) * 4, "chunks": (3, 3, 10**5, 64)},
            "would take 230,400,000 bytes",
        ),
        ({"shape": (3, 3, 3, 64), "external": [("weights.bin", 0, 6912)]}, "lies in another file"),
        ({"shape": (3, 3, 3, 64), "dtype": "V1000000"}, "holds no numbers"),
    ],
    ids=["shape", "chunk", "external", "bytes"],
)
def test_arrays_are_refused_by_what_they_claim(options, says, vgg16_file, monkeypatch):
    with h5py.File(vgg16_file, "r+") as file:
        del file["block1_conv1/block1_conv1_W_1:0"]
        file.create_dataset("block1_conv1/block1_conv1_W_1:0", **{"dtype": "f4", **options})
    monkeypatch.setattr(np, "asarray", None)  # nothing is read
    with pytest.raises(WeightsError, match=says):
        weights.load("vgg16_imagenet_full", vgg16_file)


@pytest.mark.parametrize("layout", [KERAS_1, KERAS_3])
def test_vgg16_is_not_taken_for_a_vgg19(layout, tmp_path):
    with pytest.raises(WeightsError, match="block5_conv4"):
        weights.load("vgg19_imagenet", write(tmp_path / "weights.h5", "vgg16", layout))


@pytest.mark.parametrize("layout", [KERAS_1, KERAS_2, KERAS_3])
def test_vgg19_is_not_taken_for_a_vgg16(layout, tmp_path):
    with pytest.raises(WeightsError, match=r"weights\.h5: "):
        weights.load("vgg16_imagenet_full", write(tmp_path / "weights.h5", "vgg19", layout))


def test_missing_layer_is_named(vgg16_file):
    with h5py.File(vgg16_file, "a") as file:
        del file["block3_conv2"]
    with pytest.raises(WeightsError, match=r"no kernel and bias for block3_conv2$"):
        weights.load("vgg16_imagenet_full", vgg16_file)


def test_missing_bias_is_named(vgg16_file):
    with h5py.File(vgg16_file, "a") as file:
        del file["block3_conv2/block3_conv2_b_1:0"]
    with pytest.raises(WeightsError, match=r"no kernel and bias for block3_conv2$"):
        weights.load("vgg16_imagenet_full", vgg16_file)


@pytest.mark.parametrize(
    ("kernel", "bias"),
    [((3, 3, 64, 96), (96,)), ((5, 5, 64, 64), (64,)), ((3, 3, 64, 64), (32,)), ((64, 64, 3, 3), (64,))],
)
def test_wrong_shape_is_named_with_the_right_one(kernel, bias, tmp_path):
    change = lambda name, *shapes: (kernel, bias) if name == "block1_conv2" else shapes
    with pytest.raises(WeightsError) as caught:
        weights.load("vgg16_imagenet_full", write(tmp_path / "weights.h5", "vgg16", change=change))
    assert f"block1_conv2 has kernel {kernel} and bias {bias};" in str(caught.value)
    assert "vgg16 needs (3, 3, 64, 64) and (64,)" in str(caught.value)


def test_unknown_name_is_named_with_those_there_are():
    with pytest.raises(
        InputError, match="'vgg13' is unknown; expected one of vgg16_imagenet, vgg16_imagenet_full, vgg19_"
    ):
        weights.load("vgg13")


# Downloads


@pytest.mark.parametrize("name", ["vgg16_imagenet_full", "vgg19_imagenet"])
def test_without_a_connection_the_error_says_how_to_go_on(name, home, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", no_connection)
    with pytest.raises(WeightsError) as caught:
        weights.load(name)
    message = str(caught.value)
    source = weights.SOURCES[name]
    assert source.url in message
    assert "Name or service not known" in message
    assert str(home / "models" / source.file_name) in message
    assert "vgg16_imagenet" in message
    assert "\n" not in message


def test_download_is_kept_and_used_again(home, publish, vgg16_file, monkeypatch):
    publish(vgg16_file.read_bytes())
    first = weights.load("vgg16_imagenet_full")
    monkeypatch.setattr(urllib.request, "urlopen", no_connection)
    again = weights.load("vgg16_imagenet_full")
    assert (first["block5_conv3"][0] == 12).all()
    assert (again["block5_conv3"][0] == 12).all()
    assert files_under(home) == ["vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"]


def test_download_with_another_digest_is_refused_and_not_kept(home, publish, vgg16_file):
    publish(vgg16_file.read_bytes() + b"!", expected=vgg16_file.read_bytes())
    with pytest.raises(WeightsError, match="does not have the digest sha256:"):
        weights.load("vgg16_imagenet_full")
    assert files_under(home.parent) == ["vgg16.h5"]


def test_damaged_file_in_the_cache_is_refused(home, publish, vgg16_file):
    publish(vgg16_file.read_bytes())
    cached = home / "models" / weights.SOURCES["vgg16_imagenet_full"].file_name
    cached.parent.mkdir(parents=True)
    cached.write_bytes(vgg16_file.read_bytes() + b"!")
    with pytest.raises(WeightsError, match="damaged, or another file"):
        weights.load("vgg16_imagenet_full")


def test_download_that_breaks_off_is_an_error_of_weights_and_leaves_nothing(home, monkeypatch):
    with served({"Content-Length": "1000"}, b"the first bytes") as url:
        source = dataclasses.replace(weights.SOURCES["vgg16_imagenet_full"], url=url)
        monkeypatch.setitem(weights.SOURCES, "vgg16_imagenet_full", source)
        with pytest.raises(WeightsError, match=f"{url} could not be downloaded"):
            weights.load("vgg16_imagenet_full")
    assert files_under(home.parent) == []


def test_interrupted_download_leaves_nothing(home, monkeypatch):
    class Interrupted(io.BytesIO):
        def read(self, *arguments):
            raise KeyboardInterrupt

    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: Interrupted())
    with pytest.raises(KeyboardInterrupt):
        weights.load("vgg16_imagenet_full")
    assert files_under(home.parent) == []


def test_cache_that_cannot_be_written_is_an_error_of_weights(home, publish, vgg16_file):
    home.write_text("a file where the directory should be")
    publish(vgg16_file.read_bytes())
    with pytest.raises(WeightsError, match="keras"):
        weights.load("vgg16_imagenet_full")


def test_slow_server_is_an_error_of_weights(home, monkeypatch):
    def slow(url, timeout):
        raise TimeoutError("timed out")

    monkeypatch.setattr(urllib.request, "urlopen", slow)
    with pytest.raises(WeightsError, match=r"could not be downloaded \(timed out\)"):
        weights.load("vgg16_imagenet_full")


def test_nothing_is_downloaded_for_a_local_file(vgg16_file, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", no_connection)
    assert tuple(weights.load("vgg16_imagenet_full", vgg16_file)) == VGG16


def test_digests_are_those_that_keras_publishes():
    from keras.src.applications import vgg16 as keras_vgg16
    from keras.src.applications import vgg19 as keras_vgg19

    for name, module in (("vgg16_imagenet_full", keras_vgg16), ("vgg19_imagenet", keras_vgg19)):
        source = weights.SOURCES[name]
        assert source.url == module.WEIGHTS_PATH_NO_TOP
        assert source.digest.partition(":")[2] in Path(module.__file__).read_text()
