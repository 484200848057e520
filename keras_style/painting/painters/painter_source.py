"""Painters as users name them: a preset, a file, or the model itself."""

import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_style.errors import StyleError
from keras_style.internal import parsing
from keras_style.internal.paths import user_path
from keras_style.internal.recent import Recent
from keras_style.models.loading import presets
from keras_style.painting.painters.names import FILE

if TYPE_CHECKING:
    from keras_style.painting.painters.painter import Painter

PRESET = "painters"  # the one that comes with the package
ELSEWHERE = (".onnx", ".whl")  # suffixes of files that `load_painter` reads

_OPENED: Recent[Any] = Recent(2)  # painters kept for the next picture


def is_painter(source: Any) -> bool:
    """Whether a model, as `keras_style.transfer` takes it, is a painter and no generator."""
    if not isinstance(source, str | os.PathLike):
        return any(each.__name__ == "Painter" for each in type(source).__mro__)
    path = place(source)
    if path.is_file():
        return path.suffix in ELSEWHERE or _names_painter(path)
    try:
        return (presets.locate(source) / FILE).is_file()
    except StyleError:  # said again, and better, by whoever opens it
        return False


def place(source: str | os.PathLike[str]) -> Path:
    """The file of a painter, also of that in the directory of a run; of a preset, its name or directory as a path."""
    path = user_path(source)
    in_run = path / FILE
    return in_run if in_run.is_file() and not (path / presets.DESCRIPTION).exists() else path


def open_painter(source: Any) -> "Painter":
    """The painter of a source; one that was opened before is kept while its file is the same, and not to be changed.

    Raises:
        MissingFileError, InputError, WeightsError: it cannot be opened, or is something else.
    """
    if not isinstance(source, str | os.PathLike):
        return source
    path = place(source)
    file = path if path.is_file() else presets.locate(source) / presets.DESCRIPTION
    state = file.stat()
    return _OPENED.get((str(source), state.st_mtime_ns, state.st_size), lambda: _opened(source, path))


def _opened(source: str | os.PathLike[str], path: Path) -> "Painter":
    from keras_style.errors import InputError
    from keras_style.models.loading import keras_file
    from keras_style.painting.painters.importing import load_painter
    from keras_style.painting.painters.painter import Painter

    if not path.is_file():
        return Painter.from_preset(source)
    if path.suffix in ELSEWHERE:
        return load_painter(path)
    painter = keras_file.load(path)
    if not isinstance(painter, Painter):
        raise InputError(f"{path} holds a {type(painter).__name__}; expected a painter")
    return painter


def _names_painter(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive, archive.open("config.json") as file:
            return bool(parsing.from_json(file.read(2**21)).get("class_name") == "Painter")
    except (KeyError, OSError, ValueError, AttributeError, zipfile.BadZipFile):
        return False
