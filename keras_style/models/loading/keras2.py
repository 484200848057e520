"""Models of the time of tensorflow-addons, opened without it."""

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from keras_style import checks
from keras_style.errors import InputError, MissingFileError, StyleError
from keras_style.internal import claims, parsing
from keras_style.internal.paths import user_path
from keras_style.internal.tensorflow import tf
from keras_style.models.image_network import ImageNetwork
from keras_style.models.loading import keras2_graph, keras2_weights, keras_file
from keras_style.models.loading.keras2_graph import Part


def load_legacy(
    path: str | os.PathLike[str],
    model: Any = None,
    prefix: str | None = None,
    custom_objects: Mapping[str, Any] | None = None,
) -> Any:
    """A Keras 3 model with the output of one that Keras 2 saved, also where that used tensorflow-addons.

    Whole models are rebuilt from their description in the file. Files of weights have none: they need `model`.

    tensorflow-addons' `InstanceNormalization` and `GroupNormalization`, the `InstanceNormalization` of TensorFlow's
    CycleGAN tutorial, the `ReflectionPadding2D` that CycleGAN programs define, and the TensorFlow functions of such
    networks (`tf.pad`, `tf.nn.relu`, `tf.tanh`, arithmetic) become layers of Keras 3 and of this library. Losses,
    metrics and the optimizer's state are left out.

    Args:
        path: one of
            a whole model, `.h5` or `.keras`;
            weights, `.h5` or `.weights.h5`;
            a TensorFlow checkpoint: the path given to `save_weights` or `tf.train.Checkpoint`, or a folder of some.
        model: a built Keras 3 model of the same architecture that takes the weights of the file and is returned; also
            with a whole model's file, of which only the weights are read then. Layers are matched in their order.
        prefix: which network of a larger file `model` is. In a checkpoint the attribute that held it, "gen_G" of
            `self.gen_G`; in an `.h5` file the network's name; in `.weights.h5` its group, as in "layers/functional_1".
        custom_objects: Keras 3 classes by the names of the old program's layer classes: those that are not known here,
            or to be used in place of those that are.

    Returns:
        A Keras 3 model, not compiled; `model` itself if it was given.

    Raises:
        MissingFileError: there is no such file.
        InputError: a file of Keras 3, a SavedModel folder, layers that are not known, or weights without `model`.
        WeightsError: weights that do not fit the model.

    Example:
        >>> generator = keras_style.models.load_legacy("monet_generator.h5")
        >>> generator = keras_style.models.load_legacy("cyclegan_weights", model=generator, prefix="gen_G")
    """
    source, custom = user_path(path), dict(custom_objects or {})
    if model is not None and not getattr(model, "built", False):
        raise InputError(f"model is {type(model).__name__}; expected a Keras 3 model that is built")
    if prefix is not None and model is None:
        raise InputError(
            f"prefix is {checks.shown(prefix)} without model; expected the architecture of that network as model="
        )
    before = None if model is None else model.get_weights()
    try:
        part = _opened(source, None if model is None else _described(model), prefix, custom)
    except Exception as error:  # the readers of zip, HDF5 and JSON raise almost anything on damaged data
        if model is not None:
            model.set_weights(before)  # no half of another model
        if isinstance(error, StyleError):
            raise type(error)(f"{source}: {error}") from error
        raise InputError(f"{source} cannot be read: {keras2_graph.one_line(error)}") from error
    keras_file.check_finite(source, part.layer)
    return part.layer if model is None else model


def _opened(source: Path, taker: Part | None, prefix: str | None, custom: Mapping[str, Any]) -> Part:
    if source.is_dir():
        if (source / "saved_model.pb").is_file():
            raise InputError(
                "a SavedModel folder, a graph without layers; expected an .h5 or .keras file, weights or a checkpoint. "
                f"keras.layers.TFSMLayer({str(source)!r}, call_endpoint='serving_default') runs it"
            )
        latest = tf.train.latest_checkpoint(str(source))
        if latest is None:
            raise InputError("a folder without a checkpoint; expected a model, its weights or a TensorFlow checkpoint")
        return _from_checkpoint(latest, taker, prefix)
    checkpoint = source.with_suffix("") if source.suffix == ".index" else source
    if Path(f"{checkpoint}.index").is_file():
        return _from_checkpoint(str(checkpoint), taker, prefix)
    if not source.is_file():
        raise MissingFileError("no such file, and no checkpoint of that name")
    if zipfile.is_zipfile(source):
        return _from_archive(source, taker, prefix, custom)
    if h5py.is_hdf5(source):
        with h5py.File(source) as file:
            return _from_hdf5(file, claims.check_hdf5(file, source.stat().st_size), taker, prefix, custom)
    raise InputError(
        "neither HDF5 nor a .keras archive nor a checkpoint, or cut short; expected a model or weights of Keras"
    )


def _from_archive(source: Path, taker: Part | None, prefix: str | None, custom: Mapping[str, Any]) -> Part:
    with zipfile.ZipFile(source) as archive:
        claims.check_archive(archive, source.stat().st_size)
        if not {"metadata.json", "config.json", "model.weights.h5"} <= set(archive.namelist()):
            raise InputError("an archive without a Keras model; expected a .keras file")
        _refuse_keras_3(parsing.from_json(archive.read("metadata.json")).get("keras_version", ""))
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            held = claims.check_hdf5(file, source.stat().st_size)
            taker = taker or _built(archive.read("config.json"), held, custom)
            keras2_weights.read_groups(_network(file, prefix), taker)
    return taker


def _from_hdf5(file: Any, held: int, taker: Part | None, prefix: str | None, custom: Mapping[str, Any]) -> Part:
    _refuse_keras_3(file.attrs.get("keras_version", ""))
    if taker is None and "model_config" in file.attrs:
        taker = _built(file.attrs["model_config"], held, custom)
    weights = file.get("model_weights", file)
    lists = "layer_names" in weights.attrs or "layer_names0" in weights.attrs
    if not lists and not {"layers", "_layer_checkpoint_dependencies", "vars"} & set(file):
        raise InputError(
            f"HDF5 of another program: {', '.join(file) or 'empty'}; expected a model or weights of Keras 2"
        )
    if taker is None:
        raise _needs_model()
    if lists:
        keras2_weights.read_lists(weights, taker, prefix)
    else:
        keras2_weights.read_groups(_network(file, prefix), taker)
    return taker


def _from_checkpoint(path: str, taker: Part | None, prefix: str | None) -> Part:
    if taker is None:
        raise _needs_model()
    keras2_weights.read_checkpoint(path, taker, prefix)
    return taker


def _built(text: str | bytes, held: int, custom: Mapping[str, Any]) -> Part:
    """The model that is described, of a file with weights of `held` bytes."""
    entry = parsing.from_json(text)
    if not isinstance(entry.get("config"), dict) or "layers" not in entry["config"]:
        raise InputError(
            f"a model of the class {entry.get('class_name')}, whose layers are not in the file; "
            "expected a functional or sequential one, or the rebuilt architecture as model="
        )
    with keras_file.creating_at_most(held):
        return keras2_graph.build(entry, custom)


def _network(file: Any, prefix: str | None) -> Any:
    """The group of one network of the file."""
    if prefix is None:
        return file
    if prefix not in file:
        networks: list[str] = []
        file.visit(lambda name: networks.append(name[: -len("/layers")]) if name.endswith("/layers") else None)
        raise InputError(
            f"prefix is {checks.shown(prefix)}; expected one of "
            f"{checks.listed(networks) or 'none: the file has one network'}"
        )
    return file[prefix]


def _refuse_keras_3(version: str | bytes) -> None:
    text = version.decode() if isinstance(version, bytes) else version
    if text and not text.startswith(("1.", "2.")):
        raise InputError(f"a file of Keras {text}; expected one of Keras 2. keras.models.load_model opens it")


def _needs_model() -> InputError:
    return InputError("weights without a description of the layers; expected the architecture, rebuilt, as model=")


def _described(model: Any) -> Part:
    """The model as a part; of a network of this library, whose layers are a model inside, that inner one."""
    return keras2_graph.describe(model.network if isinstance(model, ImageNetwork) else model)
