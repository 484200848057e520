"""Image files of every kind, written by Pillow or by hand, and files that pretend to be large."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def pixels(height: int = 21, width: int = 30, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Slopes with some grain, uint8."""
    y, x = np.mgrid[0:height, 0:width]
    slopes = np.stack([x * 255 / width, y * 255 / height, 255 - x * 255 / width, 255 - y * 200 / height], axis=-1)
    grain = np.random.default_rng(seed).integers(-20, 20, slopes.shape)
    return (slopes + grain).clip(0, 255).astype(np.uint8)[..., :channels]


def encoded(image: Image.Image | np.ndarray, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, format, **options)
    return buffer.getvalue()


def png_header(width: int, height: int, before: bytes = b"") -> bytes:
    """A PNG that claims a size and has a few bytes of data, and perhaps a chunk before its header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = {b"abCd": before, b"IHDR": header, b"IDAT": zlib.compress(bytes(1000)), b"IEND": b""}
    written = [chunk(kind, data) for kind, data in chunks.items() if data or kind == b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def jpeg_header(width: int, height: int) -> bytes:
    """A small JPEG whose frame header claims another size."""
    data = bytearray(encoded(pixels(16, 16), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def bmp_header(width: int, height: int, bits: int = 24, compression: int = 0) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 10**6, 0, 0, 54) + info + bytes(1000)


def progressive_jpeg(scans: int) -> bytes:
    """A progressive JPEG whose last scan is there again and again."""
    data = encoded(pixels(64, 64), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + data[-2:]


def read(path: Path) -> np.ndarray:
    """The pixels of a file, uint8, by Pillow alone."""
    with Image.open(path) as file:
        return np.asarray(file)
