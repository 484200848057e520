"""The picture that a server answers with."""

import io
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from keras_style import images
from keras_style.errors import InputError
from keras_style.internal import atomic_files
from keras_style.internal.paths import user_path


@dataclass(frozen=True, eq=False)
class StyledPicture:
    """A picture that a server made. In a notebook it shows itself.

    Attributes:
        data: the encoded file as the server sent it, or None where it sent pixels.
        pixels: uint8 or float32 (H, W, 3) as the server sent them, or None where it sent a file.
        version: the version of the model that answered.
        signature: the signature that answered.
    """

    data: bytes | None = field(repr=False)
    pixels: np.ndarray | None = field(repr=False)
    version: int
    signature: str

    @cached_property
    def array(self) -> np.ndarray:
        """float32 (H, W, 3), RGB in [0, 1].

        Raises:
            InputError: the file that the server sent cannot be read, or its pixels are not in the range.
        """
        return images.load(io.BytesIO(self.data) if self.data is not None else self._sent, name="the answer")

    @cached_property
    def image(self) -> Image.Image:
        """The picture as an 8-bit PIL image."""
        return images.load_pil(io.BytesIO(self.data) if self.data is not None else self._sent, name="the answer")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, without decoding a file.

        Raises:
            InputError: the file that the server sent is no picture.
        """
        if self.data is None:
            return self._sent.shape[1], self._sent.shape[0]
        try:
            with Image.open(io.BytesIO(self.data)) as image:
                return image.size
        except (OSError, ValueError) as error:
            raise InputError(f"the answer is not an image that can be read: {error}") from error

    @property
    def _sent(self) -> np.ndarray:
        assert self.pixels is not None
        return self.pixels

    def save(self, path: str | os.PathLike[str], *, quality: int = 95) -> Path:
        """Write the picture as PNG, JPEG or WebP, by the suffix; whole or not at all.

        A file from the server is written byte for byte if it has the format of the suffix, and encoded anew otherwise.

        Args:
            path: the file; its directory must exist.
            quality: 1 to 100, for JPEG and WebP that are encoded here.

        Raises:
            InputError: another suffix, a path that cannot be written, or an answer that is no picture.
        """
        path = user_path(path)
        images.check_writable(path)
        if self.data is None or _format(self.data) != images.format_of(path):
            return images.save(self.array, path, quality=quality)
        try:
            atomic_files.write_bytes(path, self.data)
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
        return path

    def _repr_png_(self) -> bytes:
        return images.encode(self.array, "png")


def _format(data: bytes) -> str | None:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.format.lower() if image.format else None
    except (OSError, ValueError):
        return None
