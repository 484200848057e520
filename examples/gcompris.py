"""Photographs and paintings out of Debian's package gcompris-qt-data, each with its author, license and source.

`open_package` asks apt-get for the package, which takes no root, or reads a file that is there. Its .rcc files are
archives of Qt: a tree of nodes, each a name and either nodes or data.
"""

import io
import re
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

PACKAGE = "gcompris-qt-data"
FREE = re.compile(r"CC0|public domain", re.IGNORECASE)


@dataclass(frozen=True)
class Origin:
    """Where a file is from.

    Attributes:
        author: as the package names them.
        license: likewise.
        source: an address, if there is one.
    """

    author: str
    license: str
    source: str


@contextmanager
def open_package(deb: Path | None = None) -> Iterator[Path]:
    """The folder of the package's .rcc files, for as long as it is used."""
    with tempfile.TemporaryDirectory() as folder:
        if deb is None:
            subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True, capture_output=True)
            deb = next(Path(folder).glob(f"{PACKAGE}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", str(deb), f"{folder}/content"], check=True)
        yield Path(folder, "content/usr/share/gcompris-qt/rcc")


def files(archive: Path) -> dict[str, bytes]:
    """{path: content} of an .rcc file."""
    data = archive.read_bytes()
    magic, version, tree, contents, names = struct.unpack(">4s4I", data[:20])
    if magic != b"qres":
        raise ValueError(f"{archive} begins with {magic!r}; expected b'qres'")
    size = 14 if version == 1 else 22

    def name(place: int) -> str:
        (length,) = struct.unpack(">H", data[names + place : names + place + 2])
        start = names + place + 6
        return data[start : start + 2 * length].decode("utf-16-be")

    def walk(number: int, before: str) -> Iterator[tuple[str, bytes]]:
        node = data[tree + number * size : tree + (number + 1) * size]
        place, flags = struct.unpack(">IH", node[:6])
        path = f"{before}/{name(place)}" if number else before
        if flags & 2:
            count, first = struct.unpack(">II", node[6:14])
            for child in range(first, first + count):
                yield from walk(child, path)
            return
        (start,) = struct.unpack(">I", node[10:14])
        start += contents
        (length,) = struct.unpack(">I", data[start : start + 4])
        content = data[start + 4 : start + 4 + length]
        yield path, zlib.decompress(content[4:]) if flags & 1 else content

    return dict(walk(0, ""))


def origins(readme: str) -> dict[str, Origin]:
    """{name of a file: its origin} of a README in the package: paragraphs of Copyright, License, Source and Files."""
    found = {}
    for paragraph in re.split(r"\n\s*\n", readme):

        def said(key: str, text: str = paragraph) -> str:
            line = re.search(rf"^{key}:[ \t]*(.*)", text, re.MULTILINE)
            return line[1].strip() if line else ""

        address = re.search(r"https?://\S+", paragraph)
        origin = Origin(said("Copyright"), said("License"), said("Source") or (address[0] if address else ""))
        for each in re.findall(r"[\w().-]+\.(?:webp|jpg|png)", paragraph.partition("Files:")[2]):
            found[each] = origin
    return found


@dataclass(frozen=True)
class Board:
    """A jigsaw puzzle of a painting.

    Attributes:
        title: painter, painting and year, as the package says it.
        picture: put together.
    """

    title: str
    picture: Image.Image


def board(content: dict[str, bytes], number: int) -> Board:
    """Board `number` of paintings.rcc, whose pieces have their centers at shares of its width and height."""
    text = next(data for path, data in content.items() if path.endswith(f"/board{number}_0.qml")).decode()
    width, height = (int(re.search(rf'"{side}": *(\d+)', text)[1]) for side in ("width", "height"))
    picture = Image.new("RGB", (width, height))
    pieces = re.findall(r'"pixmapfile" *: *"([^"]+\.webp)",\s*"x" *: *"([\d.]+)",\s*"y" *: *"([\d.]+)"', text)
    boxes = []
    for name, x, y in pieces:
        data = next(data for path, data in content.items() if path.endswith(name))
        piece = Image.open(io.BytesIO(data)).convert("RGBA")
        left, top = round(float(x) * width - piece.width / 2), round(float(y) * height - piece.height / 2)
        picture.paste(piece, (left, top), piece)
        boxes.append((left, top, left + piece.width, top + piece.height))
    ends = [
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    ]
    title = re.search(r'instruction: qsTr\("([^"]+)"\)', text)
    return Board(title[1] if title else "", picture.crop(tuple(max(0, end) for end in ends)))
