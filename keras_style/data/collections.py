"""Collections of images as users name them: folders, patterns, lists of files, arrays, datasets."""

import contextlib
import glob
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_style import images
from keras_style.checks import PICTURES
from keras_style.errors import InputError, MissingFileError
from keras_style.images.folders import pictures_in
from keras_style.internal.paths import user_path
from keras_style.internal.tensorflow import tf

Item: TypeAlias = Path | np.ndarray
Collection: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | np.ndarray | tf.data.Dataset

_EXPECTED = (
    "a folder, a glob pattern, a list of files, an array (N, height, width, 3), uint8 or floating point in [0, 1], "
    "or a tf.data.Dataset of such images"
)


def items_of(name: str, source: Any) -> list[Item]:
    """Files or arrays of a collection, checked as far as it goes without decoding files."""
    found: list[Item]
    if isinstance(source, np.ndarray):
        found = _from_array(name, source)
    elif isinstance(source, tf.data.Dataset):
        found = _from_dataset(name, source)
    elif isinstance(source, str | os.PathLike):
        found = list(_from_place(name, os.fspath(user_path(source))))
    elif isinstance(source, list | tuple) and all(isinstance(each, str | os.PathLike) for each in source):
        found = [_file(name, user_path(each)) for each in source]
    else:
        raise InputError(f"{name}: an object of type {type(source).__name__}; expected {_EXPECTED}")
    if not found:
        came = f" in {source}" if isinstance(source, str | os.PathLike) else ""
        raise InputError(f"{name}: no image{came}; expected at least one ({', '.join(PICTURES)})")
    return found


def contents(items: Sequence[Item]) -> str:
    """Count and digest that know a collection wherever it lies: of all names and sizes, and of 16 images as a whole.

    Not of all images as a whole: to read a large collection takes minutes.
    """
    digest = hashlib.sha256()
    whole = {number * len(items) // 16 for number in range(16)}
    for index, item in enumerate(items):
        if isinstance(item, Path):
            with contextlib.suppress(OSError):  # what cannot be read is an error when its turn comes
                digest.update(os.fsencode(f"{item.name}/{item.stat().st_size}/"))
                digest.update(item.read_bytes() if index in whole else b"")
        else:
            digest.update(f"{item.shape} {item.dtype}".encode())
            digest.update(item.tobytes() if index in whole else b"")
    return f"{len(items)} images, {digest.hexdigest()[:16]}"


def size_of(item: Item) -> tuple[int, int] | None:
    """Width and height; None of a file that cannot be read, which is an error when its turn comes."""
    try:
        return images.load_pil(item).size
    except InputError:
        return None


def _from_place(name: str, place: str) -> list[Path]:
    if os.path.isdir(place):
        return pictures_in(place, recursive=True, name=name)
    if glob.has_magic(place) and not os.path.exists(place):
        return [Path(path) for path in sorted(glob.glob(place, recursive=True)) if os.path.isfile(path)]
    if os.path.exists(place):
        raise InputError(f"{name}: {place} is a file; expected {_EXPECTED}")
    raise MissingFileError(f"{name}: no such folder: {place}")


def _file(name: str, path: Path) -> Path:
    if not path.exists():
        raise MissingFileError(f"{name}: no such file: {path}")
    if not path.is_file():
        raise InputError(f"{name}: {path} is not a file; expected a list of image files")
    return path


def _from_array(name: str, array: np.ndarray) -> list[Item]:
    if array.ndim != 4:
        raise InputError(f"{name}: an array of shape {array.shape}; expected {_EXPECTED}")
    for index, image in enumerate(array):
        images.load(image, name=f"{name}[{index}]")
    return list(array)


def _from_dataset(name: str, dataset: tf.data.Dataset) -> list[Item]:
    if int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY:
        raise InputError(f"{name}: a tf.data.Dataset without end; expected one that ends")
    found: list[Item] = []
    for element in dataset:
        if isinstance(element, dict):
            if "image" not in element:
                raise InputError(f"{name}: a tf.data.Dataset of {sorted(element)}; expected 'image' among them")
            element = element["image"]
        elif isinstance(element, tuple):
            element = element[0]
        image = np.asarray(element)
        if image.ndim == 4:
            raise InputError(f"{name}: a tf.data.Dataset of batches {image.shape}; expected single images: .unbatch()")
        images.load(image, name=f"{name}[{len(found)}]")
        found.append(image)
    return found
