"""The result of a transfer: the picture, its losses and settings, and ways to keep it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from keras_style import images


@dataclass(frozen=True)
class TransferResult:
    """A picture with its losses and settings. It displays itself in a notebook.

    Attributes:
        array: float32 (H, W, 3), RGB in [0, 1].
        history: `{"loss": [...], "content": [...], "style": [...], ...}`: weighted values per step; they add up to the
            loss.
        settings: every parameter as it was used, with the variant's numbers and the defaults.
        seconds: duration of the run.
        stopped: whether a callback or an interrupt ended it early; the picture has the size of the scale it was at.
    """

    array: np.ndarray = field(repr=False)
    history: Mapping[str, list[float]] = field(repr=False)
    settings: Mapping[str, Any]
    seconds: float
    stopped: bool = False

    @cached_property
    def image(self) -> Image.Image:
        """The picture as an 8-bit PIL image."""
        return images.to_pil(self.array)

    @property
    def steps(self) -> int:
        """Number of steps taken."""
        return len(self.history["loss"])

    def save(self, path: str | os.PathLike[str], *, quality: int = 95) -> Path:
        """Write the picture as PNG, JPEG or WebP, by the suffix, tagged as sRGB; whole or not at all.

        Args:
            path: the file; its directory must exist.
            quality: 1 to 100, of JPEG and WebP.

        Raises:
            InputError: another suffix, or a path that cannot be written.
        """
        return images.save(self.array, path, quality=quality)

    def _repr_png_(self) -> bytes:
        return images.encode(self.array, "png")

    def summary(self) -> dict[str, Any]:
        """Everything but the pixels, ready for JSON; losses are those of the last step.

        They are 0 if no step could be taken, since nothing was left to improve.
        """
        height, width = self.array.shape[:2]
        return {
            "width": width,
            "height": height,
            "steps": self.steps,
            "seconds": round(self.seconds, 3),
            "stopped": self.stopped,
            "losses": {name: values[-1] if values else 0.0 for name, values in self.history.items()},
            "settings": dict(self.settings),
        }
