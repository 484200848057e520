"""The report of a command on its pictures, printed as it goes or as JSON in the end."""

import json
import time
from pathlib import Path

from keras_style.errors import StyleError
from keras_style.internal import stderr


class Report:
    """The pictures that were made, those that failed with the reason, and how many files were no pictures.

    Args:
        left_out: number of files in the folders that were named which are no pictures by their suffix.
        as_json: print all of it at the end, as JSON.
    """

    def __init__(self, left_out: int, as_json: bool) -> None:
        self.left_out, self.as_json = left_out, as_json
        self.outputs: list[str] = []
        self.failed: dict[str, str] = {}
        self._started = time.perf_counter()

    def made(self, path: Path, size: tuple[int, int], more: str = "") -> None:
        """Note a picture of (width, height) pixels."""
        self.outputs.append(str(path))
        if not self.as_json:
            print(f"{path}: {size[0]} x {size[1]} pixels{more}", flush=True)

    def fails(self, path: Path, error: StyleError) -> None:
        """Note a picture that was not made; the others go on."""
        self.failed[str(path)] = " ".join(str(error).split())
        stderr.say(f"keras-style: {path}: {self.failed[str(path)]}")

    def end(self) -> int:
        """Print what is left to say; returns the exit status."""
        if self.as_json:
            seconds = round(time.perf_counter() - self._started, 3)
            found = {"outputs": self.outputs, "failed": self.failed, "left_out": self.left_out, "seconds": seconds}
            print(json.dumps(found, indent=2))
        elif self.left_out:
            stderr.say(f"keras-style: left out, since they are no pictures by their suffix: {self.left_out}")
        return 1 if self.failed else 0
