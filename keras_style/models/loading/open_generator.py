"""A generator from wherever it is: a preset, a run, a file of this package, of PyTorch or of Keras 2."""

import os
import zipfile
from pathlib import Path
from typing import Any

from keras_style.errors import InputError
from keras_style.internal import environment
from keras_style.models.cyclegan import CycleGAN
from keras_style.models.loading import keras_file
from keras_style.models.loading.from_torch import load_torch_generator
from keras_style.models.loading.generator_file import SAVED_MODEL, TORCH, generator_file
from keras_style.models.loading.keras2 import load_legacy
from keras_style.models.loading.saved_model_generator import SavedModelGenerator


def open_generator(source: str | os.PathLike[str], direction: str = "a2b") -> Any:
    """A generator to translate with, a Keras model.

    Args:
        source: a name in `keras_style.presets()`; hf://USER/MODEL[@REVISION]; the directory of a preset, of a training
            run (its generators at the end, or before that the best so far) or of `best`; a `.keras` file of a generator
            or of a whole CycleGAN; `.h5` or `.keras` of Keras 2 (`load_legacy`); `.pth`, `.pt`, `.model` or
            `.safetensors` of pytorch-CycleGAN-and-pix2pix or fast_neural_style (`load_torch_generator`); a version that
            `export_saved_model` wrote.
        direction: "a2b" or "b2a", of a preset, a run or a whole CycleGAN; a generator by itself has only one.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is none of these, or a file that cannot be opened.

    Example:
        >>> generator = keras_style.models.open_generator("satellite_to_relief", direction="b2a")
        >>> keras_style.models.translate(generator, "photo.jpg")
    """
    environment.check_process()
    path = generator_file(source, direction)
    if path.name == SAVED_MODEL:
        return SavedModelGenerator(path.parent)
    if path.suffix.lower() in TORCH:
        return load_torch_generator(path)
    if not zipfile.is_zipfile(path):
        return load_legacy(path)
    try:
        model = keras_file.load(path)
    except InputError:
        if _of_keras_2(path):
            return load_legacy(path)
        raise
    if isinstance(model, CycleGAN):
        return model.generator_a2b if direction == "a2b" else model.generator_b2a
    return model


def _of_keras_2(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive, archive.open("metadata.json") as file:
            return b'"keras_version": "2.' in file.read(1000)
    except (KeyError, OSError, zipfile.BadZipFile):
        return False
