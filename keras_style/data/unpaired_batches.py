"""Unpaired images for training: two collections -> batches (A, B) for `fit`."""

import os
import warnings
from pathlib import Path

from keras_style import checks, images
from keras_style.data.batches import Batches
from keras_style.data.collections import Collection, Item, items_of
from keras_style.data.preparation import Preparation, load_size_of, readable
from keras_style.errors import InputError

PREPROCESS = ("resize_and_crop", "scale_width_and_crop", "scale_width", "crop", "none")


def unpaired(
    a: Collection,
    b: Collection,
    *,
    image_size: int = 256,
    load_size: int | None = None,
    batch_size: int = 1,
    preprocess: str = "resize_and_crop",
    flip: bool = True,
    shuffle: str = "both",
    seed: int = 0,
    on_error: str = "raise",
    channels: int = 3,
) -> "Unpaired":
    """Batches from two collections of images that need not correspond, as `CycleGAN.fit` takes them.

    Both come in random orders, so that pairs change from epoch to epoch; the shorter collection starts over sooner, and
    every image is enlarged, cropped at random and flipped at random, each time anew. Unlike the published programs,
    which draw with replacement, that in PyTorch B, that in Torch both, no image comes a second time before all others
    of its domain have come.

    Files may be PNG, JPEG, WebP, TIFF or BMP, read as `keras_style.transfer` reads them: upright by their EXIF
    orientation, in sRGB, gray as three equal channels, transparent pixels on white; all with 8 bits a channel.

    Args:
        a: images of domain A: a folder (all images in it and below, by their suffix; names that begin with a dot are
            left out), a glob pattern (`**` goes through folders), a list of files, an array (N, height, width, 3),
            uint8 or floating point in [0, 1], or a `tf.data.Dataset` of single images, of dictionaries with "image"
            (as TensorFlow Datasets gives), or of tuples that begin with the image. A dataset is read into memory once.
            A single image is enough.
        b: images of domain B, likewise.
        image_size: side of the square crops in pixels; with "scale_width" the width; "none" does not use it.
        load_size: pixels to which images are resized (bicubic, antialiased) before the crop: both sides with
            "resize_and_crop", the width with "scale_width_and_crop". By default 286/256 of `image_size`, as in the
            original.
        batch_size: images of either domain in a step; all batches are full. Under a strategy, that of all replicas.
        preprocess: "resize_and_crop" (the aspect is lost), "scale_width_and_crop" (the aspect stays, but that low
            pictures get the height of a crop), "crop" (without resizing), "scale_width" (the whole picture) or "none"
            (pictures as they are). With the last two sizes differ, the batch is 1, sides become multiples of 4, and
            all pictures are read once now, for the largest.
        flip: mirror every second image, at random.
        shuffle: "both", as in the published programs, or "b": A comes in its own order in every epoch.
        seed: same seed, same images: same batches.
        on_error: "raise": an image that cannot be read ends the training when its turn comes; "skip": all are read once
            now, and those that cannot be read or are too small are left out, with one warning that names them.
        channels: 3: RGB; 1: gray, the luminance of ITU-R BT.601, as in the published programs.

    Returns:
        An `Unpaired`: a `tf.data.Dataset` of max(|A|, |B|) / batch_size steps, rounded up, each a pair of float32
        tensors (batch_size, image_size, image_size, channels) in [-1, 1].

    Raises:
        MissingFileError: a folder or file does not exist.
        InputError: an argument is something else than expected, or a collection holds no image.

    Example:
        >>> data = keras_style.data.unpaired("trainA", "trainB", image_size=256, seed=0)
        >>> gan = keras_style.models.CycleGAN()
        >>> gan.compile()
        >>> gan.fit(data, epochs=200)

    Reference: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017,
    section 4 and appendix; sizes and crops: `data/base_dataset.py` of junyanz/pytorch-CycleGAN-and-pix2pix; the order:
    its `data/unaligned_dataset.py` and `data/__init__.py`, and `getByClass` in `data/dataset.lua` of junyanz/CycleGAN.
    """
    checks.choice("on_error", on_error, ("raise", "skip"))
    checks.choice("shuffle", shuffle, ("b", "both"))
    preparation = _preparation(preprocess, image_size, load_size, checks.truth("flip", flip), channels)
    batch_size = checks.whole("batch_size", batch_size, 1, 2**16)
    if not preparation.crops and batch_size > 1:
        raise InputError(f"batch_size is {batch_size} with {preprocess=}; expected 1, as images differ in size")
    seed = checks.whole("seed", seed, 0, 2**32 - 1)
    domains = [items_of(name, source) for name, source in (("a", a), ("b", b))]
    if a is b or _same_files(*domains):
        warnings.warn(f"a and b are the same {len(domains[0])} images: there is nothing to translate", stacklevel=2)
    if on_error == "skip":
        domains = [readable(name, items, preparation) for name, items in zip("ab", domains, strict=True)]
    longest = max(map(len, domains))
    if batch_size > longest:
        raise InputError(
            f"batch_size is {batch_size} with {len(domains[0])} images in a and {len(domains[1])} in b; "
            f"expected at most {longest}"
        )
    both = dict(zip("ab", domains, strict=True))
    return Unpaired(both, preparation, -1, [shuffle == "both", True], batch_size, {"shuffle": shuffle}, seed)


class Unpaired(Batches):
    """Dataset that `unpaired` returns: its next iteration begins at the step `position`.

    Attributes:
        position: number of the step, counted from the start of the training over all epochs, at which the next
            iteration begins. An iteration goes to the end of its epoch and moves the position there when it starts.
        steps_per_epoch: max(|A|, |B|) / batch_size, rounded up; also `len(data)`.
        settings: what decides the batches, as plain values, wherever the images lie. Two datasets with equal settings
            give equal batches, unless images differ that have the same names and sizes and are not among the 16 of
            each domain that are compared as a whole. For a checkpoint to compare.
        failure: the error of the image that could not be read, if one ended an iteration.
        largest: height and width that no image exceeds.

    Example:
        >>> data = keras_style.data.unpaired("trainA", "trainB")
        >>> data.position = 3 * data.steps_per_epoch + 1  # the fourth epoch, from its second step on
        >>> batch_a, batch_b = next(iter(data))
    """


def _preparation(preprocess: str, image_size: int, load_size: int | None, flip: bool, channels: int) -> Preparation:
    checks.choice("preprocess", preprocess, PREPROCESS)
    image_size = checks.whole("image_size", image_size, images.MIN_SIDE, 2**14)
    if channels not in (1, 3):
        raise InputError(f"channels is {checks.shown(channels)}; expected 3, RGB, or 1, gray")
    if not preprocess.endswith("_and_crop"):
        if load_size is not None:
            raise InputError(f"load_size is {load_size!r} with {preprocess=}; expected one that ends in _and_crop")
        return Preparation(preprocess, image_size, image_size, flip, channels)
    return Preparation(preprocess, image_size, load_size_of(load_size, image_size), flip, channels)


def _same_files(a: list[Item], b: list[Item]) -> bool:
    files = [[os.path.realpath(item) for item in items if isinstance(item, Path)] for items in (a, b)]
    return len(files[0]) == len(a) and files[0] == files[1]
