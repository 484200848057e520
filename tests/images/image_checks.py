"""Pictures of one size and color, and what the tests of images check again and again."""

import contextlib
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_style import images
from keras_style.errors import InputError

HEIGHT, WIDTH = 20, 28
ACCEPTED = "PNG, JPEG, WebP, TIFF or BMP"
NOBODY = 65534


def unit(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 255


def flat(mode: str, color) -> Image.Image:
    return Image.new(mode, (WIDTH, HEIGHT), color)


def one_color(array: np.ndarray) -> np.ndarray:
    assert (array == array[0, 0]).all()
    return array[0, 0]


def assert_is_image(array: np.ndarray, height: int = HEIGHT, width: int = WIDTH) -> None:
    assert (array.shape, array.dtype) == ((height, width, 3), np.float32)
    assert array.min() >= 0 and array.max() <= 1


def refusal(image, *expected: str, error: type[Exception] = InputError) -> str:
    """The one-line message with which `image` is refused, after checking that it names what is expected."""
    with pytest.raises(error) as caught:
        images.load(image, name="content")
    message = str(caught.value)
    assert message.startswith("content: ") and "\n" not in message
    for text in expected:
        assert text in message
    return message


@contextlib.contextmanager
def unprivileged():
    """Root may read and write everything; nobody may not even enter pytest's temporary directories."""
    if os.geteuid() != 0:
        yield
        return
    try:
        os.seteuid(NOBODY)
    except OSError:
        pytest.skip("root that cannot become another user")
    try:
        yield
    finally:
        os.seteuid(0)


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises pixels and has none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
