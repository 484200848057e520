"""Pictures in a terminal: by the protocols of kitty and iTerm2, as sixels, and as colored blocks."""

import base64
import io
import os
import re
import select
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image

from keras_style import checks

_ESCAPE = "\x1b"
_CHUNK = 4096  # characters of a command of kitty's protocol
_COLORS = 255  # of a sixel picture: terminals have 256 registers
_ANSWER_SECONDS = 0.3

Drawing = Callable[[Image.Image, int, int, tuple[int, int]], str]
"""(picture, columns, rows, (width, height) of a cell in pixels) -> what the terminal is sent."""


def kitty(picture: Image.Image, columns: int, rows: int, cell: tuple[int, int]) -> str:
    """The graphics protocol of kitty: a PNG in chunks, which takes the place of the one before and moves no cursor.

    Reference: https://sw.kovidgoyal.net/kitty/graphics-protocol
    """
    data = base64.standard_b64encode(_png(picture)).decode()
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    parts = []
    for number, chunk in enumerate(chunks):
        keys = f"a=T,f=100,i=1,p=1,q=2,C=1,c={columns},r={rows}," if number == 0 else ""
        parts.append(f"{_ESCAPE}_G{keys}m={int(number + 1 < len(chunks))};{chunk}{_ESCAPE}\\")
    return "".join(parts)


def iterm(picture: Image.Image, columns: int, rows: int, cell: tuple[int, int]) -> str:
    """The inline images of iTerm2. Reference: https://iterm2.com/documentation-images.html"""
    data = _png(picture)
    keys = f"inline=1;size={len(data)};width={columns};height={rows};preserveAspectRatio=1"
    return f"{_ESCAPE}]1337;File={keys}:{base64.standard_b64encode(data).decode()}\a"


def sixel(picture: Image.Image, columns: int, rows: int, cell: tuple[int, int]) -> str:
    """Sixels: bands of six rows of pixels, in each band a line for each color. Reference: DEC STD 070, chapter 9."""
    picture = picture.resize((columns * cell[0], rows * cell[1]), Image.Resampling.BOX)
    indexed = picture.quantize(_COLORS, dither=Image.Dither.NONE)
    palette: np.ndarray = np.array(indexed.getpalette()).reshape(-1, 3)
    pixels = np.asarray(indexed)
    height, width = pixels.shape
    percent = np.round(palette / 2.55).astype(int)
    registers = "".join(f"#{index};2;{r};{g};{b}" for index, (r, g, b) in enumerate(percent))
    bands = []
    for top in range(0, height, 6):
        band = pixels[top : top + 6]
        lines = []
        for color in np.unique(band):
            bits = (1 << np.arange(len(band))) @ (band == color)
            lines.append(f"#{color}{_run_lengths(bits)}")
        bands.append("$".join(lines))  # $ goes back to the left, - to the next band
    return f'{_ESCAPE}P0;1q"1;1;{width};{height}{registers}{"-".join(bands)}{_ESCAPE}\\'


def blocks(picture: Image.Image, columns: int, rows: int, cell: tuple[int, int]) -> str:
    """Half blocks, each two pixels, one above the other."""
    pixels = np.asarray(picture.resize((columns, 2 * rows), Image.Resampling.BOX))
    lines = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        cells = (
            f"{_ESCAPE}[38;2;{';'.join(map(str, above))};48;2;{';'.join(map(str, below))}m▀"
            for above, below in zip(upper, lower, strict=True)
        )
        lines.append("".join(cells) + f"{_ESCAPE}[0m")
    return f"{_ESCAPE}[{columns}D{_ESCAPE}[B".join(lines)


PROTOCOLS: dict[str, Drawing] = {"kitty": kitty, "iterm": iterm, "sixel": sixel, "blocks": blocks}


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "png")
    return stream.getvalue()


def _run_lengths(bits: np.ndarray) -> str:
    """Sixels of a line, each 63 plus its six bits; what repeats is written once, with a number."""
    starts = np.flatnonzero(np.diff(bits, prepend=-1))
    lengths = np.diff(starts, append=len(bits))
    if bits[starts[-1]] == 0:
        starts, lengths = starts[:-1], lengths[:-1]
    pairs = ((chr(63 + bits[start]), length) for start, length in zip(starts, lengths, strict=True))
    return "".join(f"!{length}{sixel}" if length > 3 else sixel * length for sixel, length in pairs)


# Which protocol


def protocol(environment: Mapping[str, str] = os.environ, asked: Callable[[], bool] | None = None) -> str:
    """The name of the protocol that this terminal understands, as far as can be known.

    Args:
        environment: what terminals say of themselves; KERAS_STYLE_PREVIEW is the user's word.
        asked: whether the terminal itself says that it knows sixels.

    Raises:
        InputError: KERAS_STYLE_PREVIEW is no protocol.
    """
    if wanted := environment.get("KERAS_STYLE_PREVIEW"):
        return checks.choice("KERAS_STYLE_PREVIEW", wanted, tuple(PROTOCOLS))
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if "TMUX" in environment or term.startswith(("screen", "tmux")):
        return "blocks"  # pictures are passed on only where the user has said so
    if "KITTY_WINDOW_ID" in environment or term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    return "sixel" if (asked or _terminal_knows_sixels)() else "blocks"


def _terminal_knows_sixels() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return knows_sixels(terminal)
    finally:
        os.close(terminal)


def knows_sixels(terminal: int) -> bool:
    """Ask a terminal for its attributes (DA1), of which 4 is sixels; one that does not answer soon has none.

    Args:
        terminal: file descriptor, for reading and writing.
    """
    if sys.platform == "win32":
        return False
    import termios
    import tty

    try:
        before = termios.tcgetattr(terminal)
        tty.setcbreak(terminal)
    except termios.error:
        return False
    try:
        os.write(terminal, b"\x1b[c")
        answer, until = b"", time.monotonic() + _ANSWER_SECONDS
        while not (found := re.search(rb"\x1b\[\?([\d;]*)c", answer)):
            left = until - time.monotonic()
            if left <= 0 or not select.select([terminal], [], [], left)[0]:
                return False
            answer += os.read(terminal, 256)
        return b"4" in found[1].split(b";")
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)


def cell_size(terminal: int) -> tuple[int, int]:
    """Width and height of a character in pixels, where the terminal says it; 10 and 20 elsewhere."""
    with_pixels = (0, 0, 0, 0)
    if sys.platform != "win32":
        import fcntl
        import struct
        import termios

        try:
            answer = fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8))
            with_pixels = struct.unpack("HHHH", answer)
        except OSError:
            pass
    lines, columns, width, height = with_pixels
    return (width // columns, height // lines) if width and height and columns and lines else (10, 20)
