"""Pictures in a terminal: what is sent is read again by readers of the protocols that are the tests' own."""

import base64
import io
import os
import pty
import re
import threading

import numpy as np
import pytest
from PIL import Image

from keras_style.commands import terminal_pictures
from keras_style.errors import InputError

CELL = (10, 20)


@pytest.fixture
def picture() -> Image.Image:
    """Of few colors, so that a palette holds them all."""
    levels = np.array([0, 51, 102, 255], np.uint8)  # whole percents of 255
    return Image.fromarray(levels[np.random.default_rng(0).integers(0, 4, (40, 60, 3))] // np.uint8(1))


def from_sixels(text: str) -> np.ndarray:
    """A reader of sixels after DEC STD 070: color registers, repeats, carriage return and next band."""
    body = re.fullmatch(r"\x1bP[\d;]*q(.*)\x1b\\", text, re.DOTALL)[1]
    width, height = map(int, re.match(r'"1;1;(\d+);(\d+)', body).groups())
    pixels = np.full((height + 6, width, 3), -1.0)
    registers, color, x, top = {}, None, 0, 0
    for token in re.finditer(r'"[\d;]+|#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)(.)|([$-])|([?-~])', body):
        if token[1]:
            registers[token[1]] = np.array([token[2], token[3], token[4]], float) / 100
        elif token[5]:
            color = registers[token[5]]
        elif token[8]:
            top, x = top + 6 * (token[8] == "-"), 0
        elif token[7] or token[9]:
            times, bits = int(token[6] or 1), ord(token[7] or token[9]) - 63
            for bit in range(6):
                if bits >> bit & 1:
                    pixels[top + bit, x : x + times] = color
            x += times
    return pixels[:height]


def test_sixels_are_the_picture(picture):
    sent = terminal_pictures.sixel(picture, 6, 2, CELL)  # 60 x 40 pixels: as it is
    shown = from_sixels(sent)
    assert shown.min() >= 0  # every pixel was drawn
    assert np.abs(shown - np.asarray(picture) / 255).max() <= 0.005 + 1e-9  # half a percent, which sixels round to


def test_sixels_of_many_colors_are_near(picture):
    smooth = Image.fromarray(np.uint8(np.indices((40, 60)).transpose(1, 2, 0) @ [[6, 0, 3], [0, 4, 2]]))
    shown = from_sixels(terminal_pictures.sixel(smooth, 6, 2, CELL))
    assert np.abs(shown - np.asarray(smooth) / 255).mean() < 0.03


def test_kitty_gets_a_png_in_chunks():
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    sent = terminal_pictures.kitty(noise, 12, 5, CELL)
    commands = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", sent)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in commands) == sent
    assert len(commands) > 2 and all(len(data) <= 4096 for _, data in commands)
    first = dict(each.split("=") for each in commands[0][0].split(","))
    assert first == {"a": "T", "f": "100", "i": "1", "p": "1", "q": "2", "C": "1", "c": "12", "r": "5", "m": "1"}
    assert [keys for keys, _ in commands[1:]] == ["m=1"] * (len(commands) - 2) + ["m=0"]
    decoded = Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in commands))))
    assert np.array_equal(decoded, noise)


def test_iterm_gets_a_png(picture):
    keys, data = re.fullmatch(r"\x1b\]1337;File=([^:]*):(.*)\a", terminal_pictures.iterm(picture, 12, 4, CELL)).groups()
    png = base64.b64decode(data)
    assert keys == f"inline=1;size={len(png)};width=12;height=4;preserveAspectRatio=1"
    assert np.array_equal(Image.open(io.BytesIO(png)), picture)


def test_blocks_are_two_pixels_each(picture):
    small = picture.resize((7, 6), Image.Resampling.BOX)
    sent = terminal_pictures.blocks(small, 7, 3, CELL)
    shown = np.zeros((6, 7, 3), int)
    for row, line in enumerate(sent.split("\x1b[7D\x1b[B")):
        cells = re.findall(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀", line)
        for column, numbers in enumerate(cells):
            shown[2 * row : 2 * row + 2, column] = np.reshape(numbers, (2, 3)).astype(int)
    assert np.array_equal(shown, small)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM": "xterm-256color"}, "blocks"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "tmux-256color", "TERM_PROGRAM": "iTerm.app", "TMUX": "socket,1,0"}, "blocks"),
        ({"TERM": "xterm-kitty", "KERAS_STYLE_PREVIEW": "blocks"}, "blocks"),
    ],
)
def test_the_protocol_is_the_terminals(environment, expected):
    assert terminal_pictures.protocol(environment, lambda: environment["TERM"] == "foot") == expected


def test_an_unknown_protocol_is_an_error():
    with pytest.raises(InputError, match="KERAS_STYLE_PREVIEW is 'regis'; expected one of kitty, iterm, sixel, blocks"):
        terminal_pictures.protocol({"KERAS_STYLE_PREVIEW": "regis"})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(b"\x1b[?62;4;22c", True), (b"\x1b[?62;22c", False), (b"\x1b[?64;14;44c", False), (b"", False)],
)
def test_a_terminal_is_asked_for_sixels(answer, expected, monkeypatch):
    monkeypatch.setattr(terminal_pictures, "_ANSWER_SECONDS", 5 if answer else 0.05)
    master, terminal = pty.openpty()

    def reply():
        assert os.read(master, 16) == b"\x1b[c"
        os.write(master, answer)

    thread = threading.Thread(target=reply)
    thread.start()
    try:
        assert terminal_pictures.knows_sixels(terminal) is expected
    finally:
        thread.join()
        os.close(master)
        os.close(terminal)


def test_what_is_no_terminal_knows_no_sixels(tmp_path):
    with (tmp_path / "file").open("w+b") as file:
        assert not terminal_pictures.knows_sixels(file.fileno())
        assert terminal_pictures.cell_size(file.fileno()) == (10, 20)
