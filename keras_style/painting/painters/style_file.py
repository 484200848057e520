"""A style in a file of its own: a row, its card, and the digest of the weights that it belongs to."""

import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_style import checks
from keras_style.errors import InputError, MissingFileError, WeightsError
from keras_style.internal import atomic_files, claims, parsing
from keras_style.internal.paths import user_path
from keras_style.painting.painters.names import card_of, new_name

SUFFIX = ".style"
_VERSION = 1


@dataclass(frozen=True, eq=False)
class Style:
    """A style as a file has it.

    Attributes:
        name: what it was called.
        card: all that is known about it.
        base: digest of the shared weights that the row belongs to.
        row: (N,).
        sketch: (M,), of its pictures.
    """

    name: str
    card: dict[str, Any]
    base: str
    row: np.ndarray
    sketch: np.ndarray


def encoded(style: Style) -> bytes:
    """The content of the file; the same for the same style."""
    about = {"keras_style": _VERSION, "name": style.name, "card": style.card, "base": style.base}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        about=np.array(json.dumps(about)),
        row=style.row.astype(np.float32),
        sketch=style.sketch.astype(np.float16),  # which is only compared with others
    )
    return buffer.getvalue()


def write(path: str | os.PathLike[str], style: Style) -> Path:
    """Write a style, whole or not at all.

    Raises:
        InputError: the path cannot be written.
    """
    target = user_path(path)
    try:
        atomic_files.write_bytes(target, encoded(style))
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); expected a file in a directory that exists"
        ) from None
    return target


def read(path: str | os.PathLike[str], base: str, numbers: int, sketch: int) -> Style:
    """Read a style for a painter with this base, whose rows and sketches have as many numbers.

    Raises:
        MissingFileError: there is no such file.
        WeightsError: it is damaged, or belongs to another base.
    """
    file = user_path(path)
    if not file.is_file():
        raise MissingFileError(f"style: no such file: {path}")
    try:
        with file.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            claims.check_archive(archive, file.stat().st_size)
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as content:
                about = parsing.from_json(str(content["about"]))
                row, taken = content["row"].astype(np.float32), content["sketch"].astype(np.float32)
        name, digest = new_name(about["name"], ()), about["base"]
        style = Style(name, card_of(name, about["card"]), digest, row, taken)
    except Exception as error:  # a damaged file can fail in any part of the readers of zip, NumPy and JSON
        raise WeightsError(f"{path} cannot be read as a style ({' '.join(str(error).split())[:200]})") from None
    if digest != base:
        raise WeightsError(
            f"{path}: the style {name} belongs to a painter with the weights {checks.shown(digest)[:14]}..., "
            f"and this one has {base[:12]}...: a row fits no others; expected a style of this painter"
        )
    if row.shape != (numbers,) or taken.shape != (sketch,) or not (np.isfinite(row).all() and np.isfinite(taken).all()):
        raise WeightsError(f"{path}: a row of shape {row.shape}; expected {numbers} finite numbers")
    return style
