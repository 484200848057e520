"""The running picture in the terminal, above a line about the step."""

import os
import sys
import time
from typing import TextIO

from PIL import Image

from keras_style import images
from keras_style.commands import terminal_pictures
from keras_style.errors import InputError
from keras_style.optimize.iterate import Iterate

_EVERY = 0.5  # seconds between two pictures
_MOST_ROWS = 30


class Preview:
    """A callback that draws the picture of a run in place, at most twice a second.

    Args:
        stream: a terminal.

    Raises:
        InputError: the stream is no terminal.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        if self.stream is None or not self.stream.isatty():
            raise InputError("preview: standard error is no terminal; expected one to draw in")
        self._draw = terminal_pictures.PROTOCOLS[terminal_pictures.protocol()]
        self._size = (0, 0)  # columns and rows that are set aside, once there is a picture
        self._drawn_at = -_EVERY

    def __call__(self, iterate: Iterate) -> None:
        """Draw the picture, if the last one is old enough."""
        if time.monotonic() - self._drawn_at >= _EVERY:
            losses = "  ".join(f"{name} {value:.2g}" for name, value in iterate.losses.items())
            self._show(images.to_pil(iterate.image), f"{iterate.scale} px  {iterate.step}/{iterate.steps}  {losses}")
            self._drawn_at = time.monotonic()

    def end(self, picture: Image.Image) -> None:
        """Draw the picture that was made, and leave it where it is."""
        self._show(picture, "")
        self.stream.write("\n" * self._size[1])
        self.stream.flush()

    def _show(self, picture: Image.Image, line: str) -> None:
        terminal = self.stream.fileno()
        cell = terminal_pictures.cell_size(terminal)
        window = os.get_terminal_size(terminal)
        if not self._size[1]:
            self._size = fitted(picture.size, (window.columns - 1, min(window.lines - 2, _MOST_ROWS)), cell)
            self.stream.write("\n" * (self._size[1] + 1) + f"\x1b[{self._size[1] + 1}A")
        columns, rows = self._size
        drawn = self._draw(picture, columns, rows, cell)
        # Save the cursor, draw, go back, write the line beneath, and go up again.
        self.stream.write(f"\r\x1b7{drawn}\x1b8\x1b[{rows}B\r\x1b[K{line[: window.columns - 1]}\x1b[{rows}A\r")
        self.stream.flush()


def fitted(size: tuple[int, int], most: tuple[int, int], cell: tuple[int, int]) -> tuple[int, int]:
    """Columns and rows of a picture of (width, height) pixels, in at most so many columns and rows."""
    width, height = size
    scale = min(most[0] * cell[0] / width, most[1] * cell[1] / height)
    return max(1, int(width * scale / cell[0])), max(1, int(height * scale / cell[1]))
