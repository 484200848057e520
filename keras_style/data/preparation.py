"""The preparation of pictures for a network: sizes, crops and flips."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from keras_style import checks, images
from keras_style.data.collections import Item
from keras_style.errors import InputError


@dataclass(frozen=True)
class Preparation:
    """Preparation of a picture of any size for a network."""

    preprocess: str
    image_size: int
    load_size: int
    flip: bool
    channels: int = 3

    @property
    def crops(self) -> bool:
        """Whether all images come out in one size."""
        return "crop" in self.preprocess

    @property
    def shape(self) -> tuple[int | None, int | None, int]:
        side = self.image_size if self.crops else None
        return side, side, self.channels

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Width and height before the crop."""
        if self.preprocess == "resize_and_crop":
            return self.load_size, self.load_size
        if self.preprocess == "scale_width_and_crop":
            return self.load_size, max(int(self.load_size * height / width), self.image_size)
        if self.preprocess == "scale_and_crop":
            share = self.load_size / min(width, height)
            return max(self.load_size, round(width * share)), max(self.load_size, round(height * share))
        if self.preprocess == "scale_width":
            width, height = self.image_size, max(1, int(self.image_size * height / width))
        # Generators halve the size twice.
        return (width, height) if self.crops else (max(4, round(width / 4) * 4), max(4, round(height / 4) * 4))

    def read(self, item: Item, name: str) -> Image.Image:
        """The picture in 8 bits, RGB or gray, resized; InputError if it cannot be read or is smaller than the crop."""
        picture = images.load_pil(item, name=name)
        width, height = picture.size
        if self.channels == 1:
            picture = picture.convert("L")
        if picture.size != (size := self.resized(width, height)):
            picture = picture.resize(size, Image.Resampling.BICUBIC)
        if self.preprocess == "crop" and min(size) < self.image_size:
            label = f"{name}: {item}" if isinstance(item, Path) else name
            raise InputError(
                f"{label} is {width} x {height} pixels (width x height); expected at least {self.image_size} on each "
                "side for preprocess='crop'"
            )
        return picture

    def vary(self, picture: Image.Image, random: np.random.Generator) -> np.ndarray:
        """Random crop and flip; float32 (H, W, channels), from 0 to 255."""
        if self.crops:
            left, top = (int(random.integers(side - self.image_size + 1)) for side in picture.size)
            picture = picture.crop((left, top, left + self.image_size, top + self.image_size))
        if self.flip and random.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return np.asarray(picture, np.float32).reshape(picture.height, picture.width, self.channels)


def load_size_of(given: int | None, image_size: int) -> int:
    """Pixels to which images are resized before the crop; None: the enlargement of the CycleGAN's paper, rounded."""
    return checks.whole("load_size", (image_size * 286 + 128) // 256 if given is None else given, image_size, 2**15)


def readable(name: str, items: list[Item], preparation: Preparation) -> list[Item]:
    """The items that can be read; one warning names the others."""

    def problem(index: int) -> str | None:
        try:
            preparation.read(items[index], name_of(name, items[index], index))
        except InputError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        problems = list(threads.map(problem, range(len(items))))
    reports = [report for report in problems if report]
    if len(reports) == len(items):
        raise InputError(f"{name}: none of {len(items)} images can be used, as {reports[0]}")
    if reports:
        warnings.warn(f"{len(reports)} of {len(items)} images are skipped:\n" + "\n".join(reports), stacklevel=3)
    return [item for item, report in zip(items, problems, strict=True) if not report]


def name_of(collection: str, item: Item, index: int) -> str:
    """The name of an image in errors: of its collection, with its index where it has no file."""
    return collection if isinstance(item, Path) else f"{collection}[{index}]"
