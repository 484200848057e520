"""The manifest of an output folder: the settings of its batch, which only a call with the same settings resumes."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from keras_style.batch.folder import Folder
from keras_style.errors import InputError
from keras_style.internal import parsing
from keras_style.internal.saved_state import differences
from keras_style.version import __version__

FILE = "batch.json"


def claim(folder: Folder, settings: Mapping[str, Any], outputs: Collection[str]) -> tuple[bytes, set[str]]:
    """Claim a folder for a batch, or resume the batch in it.

    Args:
        folder: folder of the outputs; it exists.
        settings: everything that the outputs depend on, as JSON values.
        outputs: names of the files to be made.

    Returns:
        The manifest as it is written in the folder, and which of the outputs are finished.

    Raises:
        InputError: the folder belongs to a batch with other settings, or holds files of these names but no manifest.
    """
    settings = json.loads(json.dumps(settings))
    names = folder.names()
    finished = names.intersection(outputs)
    written = folder.read(FILE) if FILE in names else None
    if written is None:
        if finished:
            raise InputError(
                f"output: {folder} holds {min(finished)} but no {FILE}, so it is of no batch; expected another folder"
            )
        written = (json.dumps({"keras_style": __version__, "settings": settings}, indent=2) + "\n").encode()
        folder.write(FILE, written)
        return written, set()
    if different := differences(_settings(folder, written), settings):
        raise InputError(
            f"output: {folder} is of a batch with other settings: {'; '.join(different)}. "
            "Use the same ones, or another folder"
        )
    folder.tidy(names)
    return written, finished


def _settings(folder: Folder, written: bytes) -> dict[str, Any]:
    try:
        settings = parsing.from_json(written)["settings"]
    except (ValueError, KeyError, TypeError):
        settings = None
    if not isinstance(settings, dict):
        raise InputError(f"output: {folder.file(FILE)} is damaged; expected the settings of a batch, or no such file")
    return settings
