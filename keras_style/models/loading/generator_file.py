"""Finds the file that holds a generator, without TensorFlow, before the long work."""

import os
from pathlib import Path

from keras_style import checks
from keras_style.checks import DIRECTIONS
from keras_style.errors import InputError, MissingFileError
from keras_style.internal.paths import user_path
from keras_style.models.loading import presets

TORCH = (".pth", ".pt", ".model", ".safetensors")
KERAS = (".keras", ".h5", ".hdf5")
SAVED_MODEL = "saved_model.pb"


def generator_name(direction: str) -> str:
    """The name of a generator's file in the directory of a preset or of a run."""
    return f"generator_{direction}.keras"


def generator_file(source: str | os.PathLike[str], direction: str) -> Path:
    """The file that `keras_style.models.open_generator` opens for these arguments; a preset's hashes are checked.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is none of what can be opened.
    """
    checks.choice("direction", direction, DIRECTIONS)
    path = user_path(source)
    if path.is_file():
        return path
    if (path / SAVED_MODEL).is_file():
        return path / SAVED_MODEL
    if path.suffix.lower() in TORCH + KERAS and not path.is_dir():
        raise MissingFileError(f"model: no such file: {path}")
    name = generator_name(direction)
    for folder in (path, path / "best"):
        if (folder / name).is_file() and not (folder / presets.DESCRIPTION).exists():
            return folder / name
    files = presets.load(source)[1]
    if name not in files:
        raise InputError(f"preset {source} holds {', '.join(files)}; expected {name}")
    return files[name]
