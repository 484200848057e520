"""A folder on a disk or in an object store: pictures out of it, whole files into it."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_style import images
from keras_style.errors import InputError, StyleError
from keras_style.internal import atomic_files, directories

# Stores where a file appears when all of it has arrived; anywhere else it is written beside and renamed.
_WHOLE_BY_THEMSELVES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "hf", "memory"}


@dataclass(frozen=True)
class Folder:
    """A folder by its path in an fsspec file system; it can be sent to another process.

    Args:
        fs: an `fsspec.AbstractFileSystem`.
        path: as that file system writes it; absolute on a local disk.
    """

    fs: Any
    path: str

    def __str__(self) -> str:
        return self.path if self.is_local else self.fs.unstrip_protocol(self.path)

    @property
    def is_local(self) -> bool:
        return "file" in self._protocols

    @property
    def _protocols(self) -> set[str]:
        protocol = self.fs.protocol
        return {protocol} if isinstance(protocol, str) else set(protocol)

    def file(self, name: str) -> str:
        """The path of a file, by its name relative to the folder."""
        return f"{self.path.rstrip('/')}/{name}"

    def names(self) -> set[str]:
        """Names of all files in the folder and below, relative to it; none if there is no such folder."""
        self.fs.invalidate_cache()
        start = len(self.file(""))
        return {found[start:] for found in self.fs.find(self.path)}

    def exists(self, name: str) -> bool:
        return self.fs.exists(self.file(name))

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is no such file."""
        try:
            return self.fs.cat_file(self.file(name))
        except FileNotFoundError:
            return None

    def image(self, name: str) -> np.ndarray:
        """`keras_style.images.load` of a file; of a remote one only as much is fetched as is looked at."""
        if self.is_local:
            return images.load(self.file(name), name="picture")
        with self.fs.open(self.file(name), "rb") as file:
            return images.load(file, name="picture")

    def make(self) -> None:
        """Make the folder and its parents, where folders are made.

        Raises:
            InputError: it cannot be made.
        """
        if not self.is_local:
            if not self._protocols & _WHOLE_BY_THEMSELVES:
                self.fs.makedirs(self.path, exist_ok=True)
            return
        directories.make(self.path, "output")

    def write(self, name: str, data: bytes) -> None:
        """Write a file, which nobody sees before it is whole; folders between it and this one are made."""
        path = self.file(name)
        if self.is_local:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            atomic_files.write_bytes(path, data)
        elif self._protocols & _WHOLE_BY_THEMSELVES:
            self.fs.pipe_file(path, data)
        else:
            folder = path.rpartition("/")[0]
            beside = f"{folder}/.{secrets.token_hex(8)}.tmp"
            self.fs.makedirs(folder, exist_ok=True)
            self.fs.pipe_file(beside, data)
            self.fs.mv(beside, path)

    def tidy(self, names: set[str]) -> None:
        """Remove, of the files of these names, those that a killed write left half-finished."""
        for name in names:
            if atomic_files.LEFT_BEHIND.fullmatch(name.rpartition("/")[2]):
                self.fs.rm_file(self.file(name))


def resolved(argument: str, url: str | os.PathLike[str]) -> tuple[Any, str]:
    """The fsspec file system of a path or URL, and the path in it.

    Args:
        argument: how errors call it, such as "output".
        url: a path, or a URL of what fsspec and the packages installed know.

    Raises:
        InputError: nothing installed knows such URLs.
    """
    from fsspec.core import url_to_fs

    with explained(argument, url):
        fs, path = url_to_fs(os.fspath(url))
    return fs, path


@contextlib.contextmanager
def explained(argument: str, url: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever a file system or the network raises into one line."""
    try:
        yield
    except StyleError:
        raise
    except Exception as error:  # each store has exceptions of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{argument}: {url} cannot be reached: {reason}") from error
