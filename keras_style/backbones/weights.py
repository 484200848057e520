"""Sources of VGG weights: a file in the package, a requested download or a local file, and their digests."""

import hashlib
import http.client
import itertools
import os
import re
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from keras_style import checks
from keras_style.backbones.backbone import Layer
from keras_style.errors import InputError, MissingFileError, WeightsError
from keras_style.internal import atomic_files, claims
from keras_style.internal.paths import user_path

# Per block: Simonyan & Zisserman 2015, table 1, columns D and E.
CONVOLUTIONS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
CHANNELS = (64, 128, 256, 512, 512)

Kernels = dict[str, tuple[np.ndarray, np.ndarray]]


def layer_names(network: str) -> tuple[str, ...]:
    """Names of the convolutions of "vgg16" or "vgg19", shallow to deep: `blockN_convM`."""
    return tuple(
        f"block{block}_conv{conv}"
        for block, count in enumerate(CONVOLUTIONS[network], start=1)
        for conv in range(1, count + 1)
    )


INSTALLED = "vgg16_imagenet"  # the default network, whose file is in the package
INSTALLED_LAYERS = layer_names("vgg16")[:11]  # to block5_conv1, the deepest layer of the papers


@dataclass(frozen=True)
class Source:
    """Published weights: which network they fill, where their file is found and the digest it must have."""

    network: str
    digest: str  # "algorithm:hexadecimal digits"
    locate: Callable[["Source"], Path]
    url: str  # or the name of the file
    layers: tuple[str, ...]

    @property
    def file_name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def records(self) -> tuple[Layer, ...]:
        return layers_of(self.network)[: len(self.layers)]


def _in_package(source: Source) -> Path:
    return Path(__file__).parents[1] / "weight_files" / source.file_name


def _kept(source: Source) -> Path:
    """Where a download is kept."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return home / "models" / source.file_name


def _downloaded(source: Source) -> Path:
    path = _kept(source)
    if path.exists():
        return path
    try:
        with urllib.request.urlopen(source.url, timeout=30) as response:
            data = response.read()
        algorithm, _, expected = source.digest.partition(":")
        if hashlib.new(algorithm, data).hexdigest() != expected:
            raise WeightsError(f"{source.url}: what was downloaded does not have the digest {source.digest}")
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_files.write_bytes(path, data)
    except WeightsError:
        raise
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise WeightsError(
            f"{source.url} could not be downloaded ({reason}). Put the file at {path}, "
            f"or name it as backbone 'NAME=FILE'; the backbone '{INSTALLED}' needs no download"
        ) from None
    return path


_KERAS_APPLICATIONS = "https://storage.googleapis.com/tensorflow/keras-applications"
SOURCES = {
    INSTALLED: Source(
        network="vgg16",
        digest="sha256:d3bda3d8d7424b5dc39519f7f30b9991ddcd1bbdf57dacbfa5ae352acd975431",
        locate=_in_package,
        url="vgg16_imagenet.h5",  # made by export/vgg16_weights.py
        layers=INSTALLED_LAYERS,
    ),
    "vgg16_imagenet_full": Source(
        network="vgg16",
        digest="md5:6d6bbae143d832006294945121d1f1fc",  # keras/src/applications/vgg16.py
        locate=_downloaded,
        url=f"{_KERAS_APPLICATIONS}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        layers=layer_names("vgg16"),
    ),
    "vgg19_imagenet": Source(
        network="vgg19",
        digest="md5:253f8cb515780f3b799900260a226db6",  # keras/src/applications/vgg19.py
        locate=_downloaded,
        url=f"{_KERAS_APPLICATIONS}/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        layers=layer_names("vgg19"),
    ),
}


def source(name: str) -> Source:
    """The published weights called `name`.

    Raises:
        InputError: no weights have that name.
    """
    try:
        return SOURCES[name]
    except KeyError:
        raise InputError(f"backbone {checks.shown(name)} is unknown; expected one of {', '.join(SOURCES)}") from None


def layers(filters: Mapping[str, int]) -> tuple[Layer, ...]:
    """Records of a VGG's convolutions, from their numbers of filters: `{"blockN_convM": filters}`, shallow to deep."""
    records = []
    reach = 0
    for name, channels in filters.items():
        match = re.fullmatch(r"block(\d+)_conv\d+", name)
        if match is None:
            raise InputError(f"a kernel of a VGG is called {checks.shown(name)}; expected blockN_convM")
        stride = 2 ** (int(match[1]) - 1)
        reach += stride  # a 3 x 3 convolution sees the next positions
        records.append(Layer(name, channels, stride, reach))
    return tuple(records)


def layers_of(network: str) -> tuple[Layer, ...]:
    """Records of the convolutions of "vgg16" or "vgg19"."""
    counts = zip(CHANNELS, CONVOLUTIONS[network], strict=True)
    filters = [channels for channels, count in counts for _ in range(count)]
    return layers(dict(zip(layer_names(network), filters, strict=True)))


def load(name: str, file: str | os.PathLike[str] | None = None) -> Kernels:
    """Kernels (3, 3, in, out) and biases (out,) of every convolution of the backbone `name`, float32.

    Args:
        name: a key of `SOURCES`.
        file: an HDF5 file to read instead of the published one: Keras's `.h5` or `.weights.h5` of the same network.
            Its hash is not compared: it is the caller's own.

    Raises:
        InputError: the name is unknown, or is that of the network in the package and comes with a file.
        MissingFileError: `file` does not exist.
        WeightsError: the file is damaged, of another network, or could not be had.
    """
    origin = source(name)
    if file is not None and name == INSTALLED:
        raise InputError(f"backbone {name} is in the package and takes no file; expected {name}_full={file}")
    if file is None:
        path = origin.locate(origin)
        digest = _digest(path, origin.digest.partition(":")[0])
        if digest != origin.digest:
            raise WeightsError(f"{path}: its digest is {digest}, expected {origin.digest}: damaged, or another file")
    else:
        path = user_path(file)
        if not path.is_file():
            raise MissingFileError(f"backbone {name}: no such file: {path}")
    return _read(path, origin)


def state(name: str) -> str:
    """Whether the published weights are here: "whole", "not here" or "damaged". Nothing is downloaded."""
    origin = source(name)
    path = _in_package(origin) if name == INSTALLED else _kept(origin)
    if not path.exists():
        return "not here"
    return "whole" if _digest(path, origin.digest.partition(":")[0]) == origin.digest else "damaged"


def _digest(path: Path, algorithm: str) -> str:
    try:
        with path.open("rb") as stream:
            return f"{algorithm}:{hashlib.file_digest(stream, algorithm).hexdigest()}"
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from None


def _read(path: Path, origin: Source) -> Kernels:
    try:
        with h5py.File(path, "r") as file:
            arrays = _arrays(path, file, origin.layers)
            _check_shapes(path, origin, arrays)
            for array in itertools.chain(*arrays.values()):
                claims.check_array(array, path.stat().st_size)
            return {name: (np.asarray(k, np.float32), np.asarray(b, np.float32)) for name, (k, b) in arrays.items()}
    except WeightsError:
        raise
    except (OSError, RuntimeError, LookupError, TypeError, ValueError) as error:  # what h5py makes of damage
        raise WeightsError(f"{path}: not a readable HDF5 file ({' '.join(str(error).split())})") from None


def _arrays(path: Path, file: h5py.File, names: tuple[str, ...]) -> dict[str, tuple[h5py.Dataset, h5py.Dataset]]:
    """The arrays of each layer's kernel and bias, not read."""
    found: dict[str, list[h5py.Dataset]] = {}

    def visit(dataset_path: str, item: object) -> None:
        name = _layer_of(dataset_path, names)
        if name and isinstance(item, h5py.Dataset):
            found.setdefault(name, []).append(item)

    file.visititems(visit)
    foreign = sorted(set(found) - set(names))
    if foreign:
        raise WeightsError(f"{path}: has also {', '.join(foreign)}, so it is of another network")
    missing = [name for name in names if sorted(a.ndim for a in found.get(name, [])) != [1, 4]]
    if missing:
        raise WeightsError(f"{path}: no kernel and bias for {', '.join(missing)}")
    kernel_last = {name: sorted(found[name], key=lambda array: array.ndim) for name in names}
    return {name: (kernel, bias) for name, (bias, kernel) in kernel_last.items()}


def _layer_of(path: str, names: tuple[str, ...]) -> str | None:
    if match := re.match(r"(?:.*/)?(block\d_conv\d)/", path):  # keras.applications, and the file in the package
        return match[1]
    if match := re.match(r"(?:.*/)?layers/conv2d(?:_(\d+))?/vars/", path):  # Keras 3 .weights.h5: numbered through
        index = int(match[1] or 0)
        return names[index] if index < len(names) else f"convolution {index + 1}"
    return None


def _check_shapes(path: Path, origin: Source, arrays: Mapping[str, tuple[h5py.Dataset, h5py.Dataset]]) -> None:
    inputs = 3
    for layer, (name, (kernel, bias)) in zip(origin.records, arrays.items(), strict=True):
        outputs = layer.channels
        if kernel.shape != (3, 3, inputs, outputs) or bias.shape != (outputs,):
            raise WeightsError(
                f"{path}: {name} has kernel {kernel.shape} and bias {bias.shape}; {origin.network} needs "
                f"{(3, 3, inputs, outputs)} and {(outputs,)}"
            )
        inputs = outputs
