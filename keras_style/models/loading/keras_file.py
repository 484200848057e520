"""A `.keras` file in memory, so that it can be written whole or hashed."""

import tempfile
from pathlib import Path

from keras_style.internal import atomic_files
from keras_style.internal.tensorflow import keras


def encoded(model: keras.Model) -> bytes:
    """Bytes that `model.save("NAME.keras")` writes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.keras")
        model.save(file)
        return file.read_bytes()


def write(path: Path, model: keras.Model) -> None:
    """Write a model's file, whole or not at all."""
    atomic_files.write_bytes(path, encoded(model))
