"""The work per picture: a pass through a generator or an exported model, or an optimization method.

A work holds the content of every file it needs. So a worker on another machine opens the model that the batch was
started with, although that machine does not have the file.
"""

import dataclasses
import io
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from keras_style import images
from keras_style.checks import INITS
from keras_style.errors import InputError, MissingFileError
from keras_style.internal.digests import array_digest, byte_digest
from keras_style.internal.paths import user_path
from keras_style.models.loading import presets
from keras_style.models.loading.generator_file import generator_file
from keras_style.painting.painters import painter_source
from keras_style.painting.run_backbone import backbone_digest
from keras_style.painting.stylizer import Stylizer

SAVED_MODEL = "saved_model.pb"

Paint = Callable[[np.ndarray], np.ndarray]  # float32 (H, W, 3) in [0, 1] to the same


class Work(Protocol):
    """Sent to the workers, and opened there."""

    @property
    def at_once(self) -> int:
        """Number of pictures that a worker gets at once: more where each takes little time."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that the pictures depend on, as JSON values."""

    def open(self) -> Paint:
        """Load the model; TensorFlow is imported now."""


@dataclass(frozen=True)
class Translation:
    """A pass through a generator, from a file of any kind that `keras_style.models.open_generator` opens."""

    name: str
    data: bytes = field(repr=False)
    direction: str
    at_once: int = 16

    @property
    def settings(self) -> dict[str, Any]:
        return {"model": byte_digest(self.data), "direction": self.direction}

    def open(self) -> Paint:
        from keras_style.models.loading.open_generator import open_generator
        from keras_style.models.translation import translate

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, self.name)
            file.write_bytes(self.data)
            generator = open_generator(file, self.direction)
        return lambda picture: translate(generator, picture)


@dataclass(frozen=True)
class Exported:
    """A call of the signature `serving_default` of a SavedModel, from `image` to `image`."""

    files: Mapping[str, bytes] = field(repr=False)
    at_once: int = 16

    @property
    def settings(self) -> dict[str, Any]:
        parts = [part for name in sorted(self.files) for part in (name.encode(), self.files[name])]
        return {"model": byte_digest(*parts)}

    def open(self) -> Paint:
        from keras_style.internal.tensorflow import tf

        with tempfile.TemporaryDirectory() as folder:
            for name, data in self.files.items():
                Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
                Path(folder, name).write_bytes(data)
            try:
                model = tf.saved_model.load(folder)
            except (OSError, ValueError, tf.errors.OpError) as error:
                raise InputError(f"model: the SavedModel cannot be opened: {' '.join(str(error).split())}") from None
        run = model.signatures.get("serving_default")
        taken = sorted(run.structured_input_signature[1]) if run else []
        if taken != ["image"]:
            raise InputError(
                f"model: the SavedModel's serving_default takes {', '.join(taken) or 'nothing'}; expected image"
            )

        def paint(picture: np.ndarray, model: Any = model) -> np.ndarray:  # the signature does not keep its model alive
            return run(image=tf.constant(picture[np.newaxis]))["image"][0].numpy()

        return paint


@dataclass(frozen=True)
class Painting:
    """An optimization method, with the same paintings for every picture."""

    options: Mapping[str, Any]
    styles: Sequence[bytes] = field(repr=False)
    at_once: int = 1

    @property
    def settings(self) -> dict[str, Any]:
        options = dict(self.options)
        if isinstance(options.get("init"), np.ndarray):
            options["init"] = array_digest(options["init"])
        if "backbone" in options:
            options["backbone"] = backbone_digest(options["backbone"])
        return {**options, "style": [byte_digest(data) for data in self.styles]}

    def open(self) -> Paint:
        stylizer = Stylizer(**self.options)
        styles = [images.load(io.BytesIO(data), name="style") for data in self.styles]
        return lambda picture: stylizer(picture, styles, verbose=0).array


@dataclass(frozen=True)
class Painted:
    """A painter's one pass, in the same styles for every picture."""

    name: str
    files: Mapping[str, bytes] = field(repr=False)
    options: Mapping[str, Any]
    at_once: int = 16

    @property
    def settings(self) -> dict[str, Any]:
        parts = [part for name in sorted(self.files) for part in (name.encode(), self.files[name])]
        return {"model": byte_digest(*parts), **self.options}

    def open(self) -> Paint:
        from keras_style.painting.painters.painter_source import open_painter

        with tempfile.TemporaryDirectory() as folder:
            for name, data in self.files.items():
                Path(folder, name).write_bytes(data)
            painter = open_painter(Path(folder, self.name) if self.name else folder)
        options = dict(self.options)
        return lambda picture: painter.paint(picture, **options).array


def bound(
    model: "str | os.PathLike[str] | Stylizer | None",
    direction: str,
    style: Sequence[str | os.PathLike[str]],
    painting: Mapping[str, Any] = MappingProxyType({}),
) -> Work:
    """The work for these arguments of `keras_style.batch.run`, with its files read and checked.

    Args:
        model, direction, style: of `run`.
        painting: those that go with a painter: style_blend, strength and so on; None: not given.

    Raises:
        MissingFileError: a file does not exist.
        InputError: the arguments do not fit together, or a file is not what was expected.
    """
    given = {name: value for name, value in painting.items() if value is not None}
    if not isinstance(model, Stylizer) and painter_source.is_painter(model):
        return _painted(model, style, given)
    if given:
        raise InputError(f"{', '.join(given)} without a painter; expected a painter as the model")
    if isinstance(model, Stylizer):
        return _painting(model, style)
    if style:
        raise InputError(f"style with the model {str(model)!r}; expected a Stylizer, or no style")
    if not isinstance(model, str | os.PathLike):
        raise InputError(f"model is of type {type(model).__name__}; expected a name, a path or a Stylizer")
    folder = user_path(model)
    if (folder / SAVED_MODEL).is_file():
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        return Exported({file.relative_to(folder).as_posix(): file.read_bytes() for file in files})
    file = generator_file(model, direction)
    return Translation(file.name, file.read_bytes(), direction)


def _painted(model: Any, style: Sequence[str | os.PathLike[str]], given: Mapping[str, Any]) -> Painted:
    if not isinstance(model, str | os.PathLike):
        raise InputError(f"model is a {type(model).__name__}; expected a name or a path, which workers can open")
    names = [os.fspath(each) for each in style]
    painter = painter_source.open_painter(model)  # whatever is wrong is said before anything is written
    painter.row(names, given.get("style_blend"))
    path = painter_source.place(model)
    if path.is_file():
        files = {path.name: path.read_bytes()}
    else:
        folder = presets.locate(model)
        kept = [presets.DESCRIPTION, *presets.load(model)[1]]
        files = {name: (folder / name).read_bytes() for name in kept}
    options = {"style": names, **given}
    sample = np.zeros((32, 32, 3), np.float32)
    painter.paint(sample, **options)
    return Painted(path.name if path.is_file() else "", files, options)


def _painting(stylizer: Stylizer, style: Sequence[str | os.PathLike[str]]) -> Painting:
    if not style:
        raise InputError("style is not given; expected the painting for the method, or several")
    if stylizer.optimizer is not None and not isinstance(stylizer.optimizer, str):
        raise InputError("the Stylizer has a Keras optimizer, which cannot be sent to workers; expected its name")
    if stylizer.of_masks:
        raise InputError(f"{stylizer.of_masks} is about regions, and a batch takes no masks; expected it without")
    options = {
        each.name: getattr(stylizer, each.name)
        for each in dataclasses.fields(Stylizer)
        if each.init and getattr(stylizer, each.name) is not None
    }
    if options.get("init", "content") not in INITS:
        options["init"] = images.load(options["init"], name="init")
    styles = [_content(path) for path in style]
    for path, data in zip(style, styles, strict=True):
        images.load(io.BytesIO(data), name=f"style {path}")
    return Painting(options, styles)


def _content(path: str | os.PathLike[str]) -> bytes:
    try:
        return user_path(path).read_bytes()
    except FileNotFoundError:
        raise MissingFileError(f"style: no such file: {path}") from None
    except OSError as error:
        raise InputError(f"style: {path} cannot be read: {error.strerror}") from None
