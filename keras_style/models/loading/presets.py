"""Trained models by name: where their files are, and the hashes that these must have.

A preset is a directory: `preset.json` says what the model is and holds the SHA-256 of every other file,
`generator_a2b.keras` and `generator_b2a.keras` are the generators of a CycleGAN, which Keras opens by itself, too;
`painter.keras` is a painter, each `.style` file a style that it knows besides, and each `.webp` a thumbnail of one.
`README.md` is the model card, if there is one. Discriminators are not kept: they are for training, and start anew.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_style import checks
from keras_style.errors import InputError, MissingFileError, WeightsError
from keras_style.internal import atomic_files, directories, parsing
from keras_style.internal.digests import byte_digest
from keras_style.internal.paths import user_path

SHIPPED = Path(__file__).parents[2] / "preset_files"
DESCRIPTION = "preset.json"
CARD = "README.md"  # the name that the Hub shows
HUB = "hf://"


def presets() -> dict[str, str]:
    """The presets that come with the package: {name: what it does}.

    Example:
        >>> keras_style.presets()
        {'painters': 'any photograph in the manner of a painting, ...',
         'satellite_to_relief': 'satellite pictures of coasts (a) to shaded relief (b) and back, ...'}
        >>> gan = keras_style.models.CycleGAN.from_preset("satellite_to_relief")
    """
    return {file.parent.name: _read(file)["summary"] for file in sorted(SHIPPED.glob(f"*/{DESCRIPTION}"))}


def locate(preset: str | os.PathLike[str]) -> Path:
    """The directory of a preset.

    Args:
        preset: a name in `presets()`, a directory, or hf://USER/MODEL, which is downloaded from the Hugging Face Hub by
            its package `huggingface_hub`, into that package's cache; hf://USER/MODEL@REVISION is a branch, a tag or a
            commit of it, of which only the commit stays what it is.

    Raises:
        InputError: there is no such preset, or the package for the Hub is missing.
        WeightsError: it could not be downloaded.
    """
    name = str(preset)
    if name.startswith(HUB):
        return _downloaded(name)
    if (folder := user_path(name)).is_dir():
        return folder
    if (SHIPPED / name / DESCRIPTION).is_file():
        return SHIPPED / name
    raise InputError(
        f"preset is {checks.shown(name)}; expected {'one of ' + ', '.join(presets()) + ', ' if presets() else ''}"
        f"a directory with {DESCRIPTION}, or {HUB}USER/MODEL"
    )


def load(preset: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Path]]:
    """A preset's description, and its files by their names, whose hashes were checked.

    Raises:
        InputError: there is no such preset, or its description is not one.
        MissingFileError: it lacks a file.
        WeightsError: a file is damaged or another one.
    """
    folder = locate(preset)
    description = _read(folder / DESCRIPTION)
    files = {name: folder / name for name in description["sha256"]}
    for name, file in files.items():
        if not file.is_file():
            raise MissingFileError(f"preset {preset}: no such file: {file}")
        found = byte_digest(file.read_bytes())
        if found != description["sha256"][name]:
            raise WeightsError(
                f"{file}: its SHA-256 is {found}, expected {description['sha256'][name]}: damaged, or another file"
            )
    return description, files


def card(preset: str | os.PathLike[str]) -> str:
    """The model card of a preset, Markdown; empty if it has none.

    Raises:
        InputError, MissingFileError, WeightsError: as `load`.
    """
    file = load(preset)[1].get(CARD)
    return file.read_text(encoding="utf-8") if file else ""


def save(folder: str | Path, description: Mapping[str, Any], files: Mapping[str, bytes]) -> Path:
    """Write a preset, its description last; its directory is made, with its parents.

    Raises:
        InputError: the directory holds a preset already, or cannot be made.
    """
    folder = user_path(folder)
    if (folder / DESCRIPTION).exists():
        raise InputError(f"{folder} holds a preset already; expected another directory")
    directories.make(folder)
    try:
        for name, data in files.items():
            atomic_files.write_bytes(folder / name, data)
        described = {**description, "sha256": {name: byte_digest(data) for name, data in files.items()}}
        atomic_files.write_bytes(folder / DESCRIPTION, (json.dumps(described, indent=2) + "\n").encode())
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); expected a directory to write to") from None
    return folder


def _read(file: Path) -> dict[str, Any]:
    try:
        description = parsing.from_json(file.read_bytes())
    except FileNotFoundError:
        raise MissingFileError(f"{file.parent} is no preset: it has no {file.name}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({error})") from None
    hashes = description.get("sha256") if isinstance(description, dict) else None
    if not isinstance(hashes, dict) or any(Path(name).name != name for name in hashes):
        raise InputError(f"{file}: expected an object with the SHA-256 of each file beside it")
    return description


def _downloaded(name: str) -> Path:
    try:
        import huggingface_hub
    except ImportError:
        raise InputError(f"preset {name} needs the package huggingface_hub: pip install 'keras-style[hub]'") from None
    repository, at, revision = name.removeprefix(HUB).partition("@")
    if repository.count("/") != 1 or bool(at) != bool(revision):
        raise InputError(f"preset is {checks.shown(name)}; expected {HUB}USER/MODEL or {HUB}USER/MODEL@REVISION")
    try:
        patterns = [DESCRIPTION, CARD, "*.keras", "*.style", "*.webp"]
        folder = huggingface_hub.snapshot_download(repository, revision=revision or None, allow_patterns=patterns)
        return Path(folder)
    except Exception as error:  # of the Hub, of requests, of the system: none of them says which preset
        raise WeightsError(f"preset {name} could not be downloaded: {' '.join(str(error).split())}") from None
