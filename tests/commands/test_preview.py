"""The running picture in a terminal, and the result in another program."""

import fcntl
import os
import pty
import re
import struct
import termios
import threading

import numpy as np
import pytest
import typer
from running import FAST, as_arguments, command, eagerly, record_transfers

from keras_style.commands import preview
from keras_style.optimize.iterate import Iterate


@pytest.fixture
def terminal():
    """A terminal of 40 columns and 20 rows: a stream to it, and a function that ends it and gives what was written."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 40, 0, 0))
    got: list[bytes] = []

    def read():
        try:
            while chunk := os.read(master, 1 << 16):
                got.append(chunk)
        except OSError:  # the other side was closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    stream = os.fdopen(slave, "w")

    def written() -> str:
        stream.close()
        reader.join()
        return b"".join(got).decode()

    yield stream, written
    if not stream.closed:
        written()
    os.close(master)


def iterate(step: int, level: float) -> Iterate:
    image = np.full((24, 36, 3), level, np.float32)
    return Iterate(step, 9, {"content": 0.5, "style": 0.25}, lambda: image, list, scale=36)


def frames(text: str) -> list[str]:
    return re.findall(r"\x1b7(.*?)\x1b8", text, re.DOTALL)


def test_pictures_are_drawn_in_place_above_a_line(terminal, monkeypatch):
    stream, written = terminal
    monkeypatch.setenv("KERAS_STYLE_PREVIEW", "blocks")
    monkeypatch.setattr(preview, "_EVERY", 0)
    shown = preview.Preview(stream)
    for step, level in ((1, 0.2), (2, 0.6)):
        shown(iterate(step, level))
    text = written()
    assert len(frames(text)) == 2
    assert "48;2;51;51;51m" in frames(text)[0] and "48;2;153;153;153m" in frames(text)[1]
    assert "36 px  1/9  content 0.5  style 0.25" in text and "36 px  2/9" in text
    # 39 columns of 10 pixels for 36 x 24: 13 rows of 20 pixels. Below a frame the line, and up again to its top.
    assert frames(text)[0].count("▀") == 39 * 13
    assert text.count("\x1b[13B\r\x1b[K") == text.count("\x1b[13A\r") == 2


def test_a_picture_that_is_young_stays(terminal, monkeypatch):
    stream, written = terminal
    monkeypatch.setenv("KERAS_STYLE_PREVIEW", "blocks")
    monkeypatch.setattr(preview, "_EVERY", 1000)
    shown = preview.Preview(stream)
    for step in range(1, 6):
        shown(iterate(step, 0.5))
    assert len(frames(written())) == 1


@pytest.mark.parametrize(
    ("size", "expected"), [((36, 24), (39, 13)), ((24, 36), (24, 18)), ((400, 4), (39, 1)), ((1, 1000), (1, 18))]
)
def test_a_picture_fits_and_keeps_its_proportions(size, expected):
    assert preview.fitted(size, (39, 18), (10, 20)) == expected


def test_without_a_terminal_it_is_refused_before_anything_is_painted(tmp_path, capsys, monkeypatch):
    calls = record_transfers(monkeypatch)
    status, _, err = command(capsys, "transfer", "a.png", "b.png", "-o", tmp_path / "out.png", "--preview")
    assert status == 2 and err == "keras-style: preview: standard error is no terminal; expected one to draw in\n"
    assert calls == [] and list(tmp_path.iterdir()) == []


@eagerly()
def test_a_transfer_is_drawn_until_its_end(terminal, photograph_file, painting_file, tmp_path, capsys, monkeypatch):
    stream, written = terminal
    monkeypatch.setenv("KERAS_STYLE_PREVIEW", "blocks")
    monkeypatch.setattr(preview, "_EVERY", 0)
    monkeypatch.setattr("keras_style.commands.paint_commands.Preview", lambda: preview.Preview(stream))
    arguments = ["-o", tmp_path / "out.png", "--preview", *as_arguments(FAST)]
    assert command(capsys, "transfer", photograph_file, painting_file, *arguments)[0] == 0
    text = written()
    assert len(frames(text)) == FAST["steps"] + 1  # and the picture that was saved
    assert (tmp_path / "out.png").is_file()


@pytest.mark.parametrize(("answer", "complaint"), [(0, ""), (3, "nothing was found here that opens pictures")])
def test_open_opens_what_was_saved(answer, complaint, tmp_path, capsys, monkeypatch):
    opened = []
    record_transfers(monkeypatch)
    monkeypatch.setattr(typer, "launch", lambda path: opened.append((path, os.path.exists(path))) or answer)
    status, _, err = command(capsys, "transfer", "a.png", "b.png", "-o", tmp_path / "out.png", "--open")
    assert status == 0 and complaint in err and bool(err) == bool(complaint)
    assert opened == [(str(tmp_path / "out.png"), True)]
