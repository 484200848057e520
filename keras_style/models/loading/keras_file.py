"""A `.keras` file: written whole or hashed in memory, and read as what it may be, a file of somebody else."""

import contextlib
import io
import math
import os
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal import atomic_files, claims, parsing
from keras_style.internal.tensorflow import keras, tf
from keras_style.models.loading import known_classes

_MAX_CONFIG = 2**21  # bytes; ours: twenty times the description of a U-Net
_UNSAVED = 2**16  # bytes; ours: for a model's variables that it does not save
UNTRAINED = 2**30  # bytes; ours: for the discriminators and pools that a preset describes, ten times those of the paper


def check_path(filepath: str | Path, zipped: bool | None = None, **_: Any) -> None:
    """Raise unless `keras.Model.save` writes a file that opens again; of others it says so after half of them.

    Raises:
        InputError: a name that does not end in .keras.
    """
    name = str(filepath)
    if zipped is not False and not name.startswith("hf://") and not name.endswith(".keras"):
        raise InputError(f"filepath is {name}; expected a file that ends in .keras, or save_weights for .weights.h5")


def encoded(model: keras.Model) -> bytes:
    """Bytes that `model.save("NAME.keras")` writes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.keras")
        model.save(file)
        return file.read_bytes()


def write(path: Path, model: keras.Model) -> None:
    """Write a model's file, whole or not at all."""
    atomic_files.write_bytes(path, encoded(model))


def load(path: str | os.PathLike[str]) -> Any:
    """The model in a `.keras` file of Keras 3, not compiled.

    What the file claims is checked before Keras reads it: sizes against the bytes that it has, and classes against
    those that only compute (`known_classes`). So a file of another's making costs neither memory nor files.

    Raises:
        InputError: it is damaged, holds no model, names an unknown class, or claims more weights than it has.
    """
    try:
        if Path(path).suffix != ".keras":  # Keras would take it for another kind of file
            raise ValueError("an archive with another suffix; expected .keras")
        with zipfile.ZipFile(path) as archive:
            size = os.path.getsize(path)
            claims.check_archive(archive, size)
            if archive.getinfo("config.json").file_size > _MAX_CONFIG:
                raise ValueError(f"its config.json has more than {_MAX_CONFIG:,} bytes")
            config = parsing.from_json(archive.read("config.json"))
            with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
                held = claims.check_hdf5(weights, size)
        if isinstance(config, dict):
            config.pop("compile_config", None)  # not read
        if unknown := list(dict.fromkeys(known_classes.unknown(config))):
            raise ValueError(
                f"{checks.listed(map(checks.shown, unknown))} is no layer that is known here; expected layers of "
                "Keras that only compute, those of keras_style, or a class that the program has registered with Keras"
            )
        with creating_at_most(held), warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model = keras.saving.load_model(path, compile=False)
        for each in said:
            if "freshly-initialized" in str(each.message):  # layers would keep the weights with which they were made
                raise ValueError("it lacks weights of some of its layers")
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    except Exception as error:  # the readers of zip, HDF5 and JSON and the layers themselves raise almost anything
        raise InputError(f"{path} cannot be opened: {_reason(error)}") from None
    if not isinstance(model, keras.Model):
        raise InputError(f"{path} holds a {type(model).__name__}; expected a model")
    check_finite(path, model)
    return model


def check_finite(path: str | os.PathLike[str], model: keras.Model) -> None:
    """Refuse a model that would make nothing but NaN.

    Raises:
        InputError: naming weights that are not finite.
    """
    broken = [each.path for each in model.weights if not np.isfinite(keras.ops.convert_to_numpy(each)).all()]
    if broken:
        raise InputError(f"{path}: NaN or infinite numbers in {checks.listed(broken)}")


@contextlib.contextmanager
def creating_at_most(limit: int) -> Iterator[None]:
    """Refuse the variable with which new ones would have more than `limit` bytes, that of the file, and make none."""
    created, symbols = 0, tf.Graph()

    def create(make: Any, **options: Any) -> Any:
        nonlocal created
        initial = options["initial_value"]
        with symbols.as_default():  # only the shape is computed
            value = tf.convert_to_tensor(initial() if callable(initial) else initial)
        created += math.prod(value.shape) * value.dtype.size
        if created > limit + _UNSAVED:
            raise InputError(f"it describes weights of {created:,} bytes or more; expected at most {limit:,}")
        return make(**options)

    with tf.variable_creator_scope(create):
        yield


def _reason(error: Exception) -> str:
    """In one line; of Keras's report, which repeats the whole configuration, the end."""
    text = str(error).rpartition("Exception encountered: ")[2]
    return " ".join(text.split())[:300] or type(error).__name__
