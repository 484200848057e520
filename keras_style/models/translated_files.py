"""Files of pictures through a generator: what the command `keras-style translate` runs."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from keras_style import checks, images
from keras_style.checks import DIRECTIONS
from keras_style.errors import StyleError
from keras_style.images import folders
from keras_style.internal import directories


def translate_files(
    pictures: Sequence[str | os.PathLike[str]],
    *,
    output: str | os.PathLike[str],
    model: str | os.PathLike[str],
    direction: str = "a2b",
    batch_size: int = 1,
    tile: int | None = None,
    width: int | None = None,
    quality: int = 95,
    overwrite: bool = False,
) -> Iterator[tuple[Path, np.ndarray | StyleError]]:
    """Translate pictures of any sizes with a trained generator, and write them.

    Everything is checked before TensorFlow is loaded, as far as that goes without decoding pictures. Of several
    pictures, those that cannot be read are left out.

    Args:
        pictures: pictures, or folders of them.
        output: the picture, or a directory for several, which is made with its parents.
        model: a preset, the directory of a run, or a file (.keras, .h5, .pth, .model, .safetensors): anything that
            `keras_style.models.open_generator` opens.
        direction: "a2b" or "b2a", of a model that holds both.
        batch_size: pictures of one size that go through together.
        tile: for pictures larger than memory: rows that go through at a time.
        width: in pixels, to which pictures are resized first; their aspect stays.
        quality: quality of JPEG and WebP, 1 to 100.
        overwrite: replace pictures that are in the directory already.

    Yields:
        The path of each picture that was written, and its pixels: float32 (H, W, 3) in [0, 1]; or the path of a picture
        that cannot be read, and the reason.

    Raises:
        MissingFileError: a picture, the model or the directory does not exist.
        InputError: an argument is not as above, the only picture cannot be read, or a file would be replaced: a picture
            that is read, or one in the directory, without `overwrite`.
    """
    checks.choice("direction", direction, DIRECTIONS)
    checks.whole("batch_size", batch_size, 1, 10**6)
    if tile is not None:
        checks.whole("tile", tile, 1, 10**9)
    if width is not None:
        checks.whole("width", width, images.MIN_SIDE, 2**15)
    checks.whole("quality", quality, 1, 100)
    checks.truth("overwrite", overwrite)
    sources, _ = folders.named_pictures(pictures)
    targets = folders.targets(pictures, sources, output, overwrite)
    from keras_style.models.loading.open_generator import open_generator
    from keras_style.models.translation import translate

    generator = open_generator(model, direction)
    directories.make(targets[0].parent, "output")
    for first in range(0, len(sources), batch_size):
        some = slice(first, first + batch_size)
        loaded: list[tuple[Path, np.ndarray]] = []
        for source, target in zip(sources[some], targets[some], strict=True):
            try:
                loaded.append((target, images.load(source, name="picture")))
            except StyleError as error:
                if len(sources) == 1:
                    raise
                yield source, error
        translated = translate(generator, [picture for _, picture in loaded], batch_size, tile=tile, width=width)
        for (target, _), picture in zip(loaded, translated, strict=True):
            images.save(picture, target, quality=quality)
            yield target, picture
