"""A file of arrays and plain values from which a stopped run goes on: whole, readable, and of the same run."""

import contextlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_style.errors import CheckpointError
from keras_style.internal import atomic_files, claims, parsing


def write(path: Path, about: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Replace the file as a whole.

    Args:
        path: of the file; its directory must exist.
        about: JSON values.
        arrays: NumPy arrays by name; none is called "about".

    Raises:
        CheckpointError: it cannot be written.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **{"about": np.array(json.dumps(about)), **arrays})
    try:
        atomic_files.write_bytes(path, buffer.getbuffer())
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written ({error.strerror})") from None


@contextlib.contextmanager
def reading(path: Path, kind: str) -> Iterator[tuple[dict[str, Any], Any]]:
    """The values and the open file of arrays; what is missing inside the `with` counts as damage, too.

    Raises:
        CheckpointError: the file is damaged, or no such file.
    """
    try:
        # Of a damaged file, NumPy would leave its own stream open.
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            claims.check_archive(archive, path.stat().st_size)
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                yield parsing.from_json(str(file["about"])), file
    except Exception as error:  # a damaged file can fail in any part of the readers of zip, NumPy and JSON
        raise CheckpointError(
            f"{path} cannot be read as {kind} ({' '.join(str(error).split())}); delete it to start again"
        ) from None


def differences(saved: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Differences between two states in words: "name was 1, now 2"."""
    return [
        f"{name} was {_short(saved.get(name))}, now {_short(current.get(name))}"
        for name in dict.fromkeys([*saved, *current])
        if saved.get(name) != current.get(name)
    ]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
