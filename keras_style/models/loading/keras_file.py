"""A `.keras` file in memory, so that it can be written whole or hashed."""

import tempfile
from pathlib import Path
from typing import Any

from keras_style.errors import InputError
from keras_style.internal import atomic_files
from keras_style.internal.tensorflow import keras


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
