"""Unpaired images for training: two collections -> batches (A, B) for `fit`, in an order that can be taken up anywhere.

Each collection is a stream: its images one after the other in a random order, then again in a new one, and so on,
without end; or A always in its own order. Step g of a training takes the images g * batch_size to (g + 1) *
batch_size - 1 of either stream; an epoch is as many steps as the larger collection needs. Which image comes, its crop
and its flip are functions of the seed and of its number in the stream, and of nothing else. So a training can stop
anywhere, and go on as if it had not.

`Unpaired.position` is the step at which the next iteration over the dataset begins; an iteration goes to the end of its
epoch, and the next one begins there. Keras iterates once an epoch and starts to after `on_train_begin` and
`on_epoch_begin`, so a callback can set the position in either of them.

Under a `tf.distribute` strategy, Keras looks at one batch before it trains, which counts as an iteration: there, too,
it is the position set in `on_train_begin` that counts.
"""

import contextlib
import functools
import hashlib
import os
import warnings
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from keras_style import checks, images
from keras_style.data.collections import Collection, Item, contents, items_of, size_of
from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf

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
        domains = [_readable(name, items, preparation) for name, items in zip("ab", domains, strict=True)]
    longest = max(map(len, domains))
    if batch_size > longest:
        raise InputError(
            f"batch_size is {batch_size} with {len(domains[0])} images in a and {len(domains[1])} in b; "
            f"expected at most {longest}"
        )
    return Unpaired(domains[0], domains[1], preparation, batch_size, shuffle, seed)


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
        """Random crop and flip; float32 in [-1, 1]."""
        if self.crops:
            left, top = (int(random.integers(side - self.image_size + 1)) for side in picture.size)
            picture = picture.crop((left, top, left + self.image_size, top + self.image_size))
        if self.flip and random.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        values = np.asarray(picture, np.float32).reshape(picture.height, picture.width, self.channels)
        return values / np.float32(127.5) - np.float32(1)


class Unpaired(tf.data.Dataset):
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

    def __init__(
        self,
        a: Sequence[Item],
        b: Sequence[Item],
        preparation: Preparation,
        batch_size: int,
        shuffle: str,
        seed: int,
    ) -> None:
        self.position = 0
        self.failure: InputError | None = None
        self.steps_per_epoch = -(-max(len(a), len(b)) // batch_size)
        sizes = [(preparation.image_size,) * 2]
        if not preparation.crops:
            with ThreadPoolExecutor(os.cpu_count()) as threads:
                sizes = [preparation.resized(*size) for size in threads.map(size_of, [*a, *b]) if size]
        self.largest = max((height for _, height in sizes), default=1), max((width for width, _ in sizes), default=1)
        self.settings: dict[str, Any] = {
            "a": _summary(a),
            "b": _summary(b),
            "contents_a": contents(a),
            "contents_b": contents(b),
            **asdict(preparation),
            "batch_size": batch_size,
            "shuffle": shuffle,
            "seed": seed,
        }
        self._streams = [
            _Stream("a", a, preparation, shuffle == "both", (seed, 0)),
            _Stream("b", b, preparation, True, (seed, 1)),
        ]

        # TensorFlow keeps what is given to `numpy_function` for ever: not this dataset, with its images. An iterator
        # keeps the dataset.
        this: Any = weakref.ref(self)

        def image_of(domain: int, number: tf.Tensor) -> tf.Tensor:
            image = tf.numpy_function(lambda number: this()._image(domain, number), [number], tf.float32)
            return tf.ensure_shape(image, preparation.shape)

        def numbers(step: tf.Tensor) -> tf.data.Dataset:
            end = (step // self.steps_per_epoch + 1) * self.steps_per_epoch
            return tf.data.Dataset.range(step * batch_size, end * batch_size)

        options = tf.data.Options()
        options.deterministic = True
        # The default would try to give each worker its own files, find none, and warn.
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        start = tf.data.Dataset.range(1).map(lambda _: tf.numpy_function(lambda: this()._begin(), [], tf.int64))
        self._steps = (
            start.flat_map(numbers)
            .map(lambda number: (image_of(0, number), image_of(1, number)), num_parallel_calls=tf.data.AUTOTUNE)
            .batch(batch_size, drop_remainder=True)
            .prefetch(tf.data.AUTOTUNE)
            .with_options(options)
        )
        super().__init__(self._steps._variant_tensor)

    def cardinality(self) -> tf.Tensor:
        """Steps of a whole epoch; an iteration from the middle of one is shorter."""
        return tf.constant(self.steps_per_epoch, tf.int64)

    @contextlib.contextmanager
    def feeding(self, epoch: int = 0) -> Iterator[None]:
        """Context for `fit`: it starts with `epoch`, unless a callback sets another position; its errors are clear.

        An image that cannot be read raises its InputError, not TensorFlow's with a traceback inside.
        """
        self.position, self.failure = epoch * self.steps_per_epoch, None
        with warnings.catch_warnings():
            # Keras takes the rest of an epoch, after a resume, for a mistake, and its own default `shuffle=True` too.
            warnings.filterwarnings("ignore", message="Your input ran out of data")
            warnings.filterwarnings("ignore", message="`shuffle=True` was passed")
            try:
                yield
            except tf.errors.OpError:
                if self.failure is None:
                    raise
                raise self.failure from None

    @property
    def element_spec(self) -> Any:
        return self._steps.element_spec

    def _inputs(self) -> list[tf.data.Dataset]:
        return [self._steps]

    def _begin(self) -> np.int64:
        step = self.position
        self.position = (step // self.steps_per_epoch + 1) * self.steps_per_epoch
        return np.int64(step)

    def _image(self, domain: int, number: np.int64) -> np.ndarray:
        try:
            return self._streams[domain][int(number)]
        except InputError as error:
            self.failure = error
            raise


class _Stream:
    """A collection's images without end, each as a function of its number."""

    def __init__(
        self, name: str, items: Sequence[Item], preparation: Preparation, shuffled: bool, seed: tuple[int, int]
    ) -> None:
        self.name = name
        self.items = items
        self.preparation = preparation
        self.shuffled = shuffled
        self.seed = seed
        self.order = functools.lru_cache(maxsize=4)(self._order)  # images in work can span two laps

    def __getitem__(self, number: int) -> np.ndarray:
        lap, place = divmod(number, len(self.items))
        index = self.order(lap)[place]
        picture = self.preparation.read(self.items[index], _name(self.name, self.items[index], index))
        return self.preparation.vary(picture, np.random.default_rng((*self.seed, 1, number)))

    def _order(self, lap: int) -> np.ndarray:
        number = len(self.items)
        return np.random.default_rng((*self.seed, 0, lap)).permutation(number) if self.shuffled else np.arange(number)


def _name(domain: str, item: Item, index: int) -> str:
    return domain if isinstance(item, Path) else f"{domain}[{index}]"


def _summary(items: Sequence[Item]) -> str:
    """Count and digest of the names, or shapes."""
    names = [item.name if isinstance(item, Path) else str(item.shape) for item in items]
    return f"{len(items)} images, {hashlib.sha256(os.fsencode('/'.join(names))).hexdigest()[:16]}"


def _preparation(preprocess: str, image_size: int, load_size: int | None, flip: bool, channels: int) -> Preparation:
    checks.choice("preprocess", preprocess, PREPROCESS)
    image_size = checks.whole("image_size", image_size, images.MIN_SIDE, 2**14)
    if channels not in (1, 3):
        raise InputError(f"channels is {checks.shown(channels)}; expected 3, RGB, or 1, gray")
    if not preprocess.endswith("_and_crop"):
        if load_size is not None:
            raise InputError(f"load_size is {load_size!r} with {preprocess=}; expected one that ends in _and_crop")
        return Preparation(preprocess, image_size, image_size, flip, channels)
    if load_size is None:
        load_size = (image_size * 286 + 128) // 256  # the paper's enlargement, rounded
    return Preparation(preprocess, image_size, checks.whole("load_size", load_size, image_size, 2**15), flip, channels)


def _same_files(a: list[Item], b: list[Item]) -> bool:
    files = [[os.path.realpath(item) for item in items if isinstance(item, Path)] for items in (a, b)]
    return len(files[0]) == len(a) and files[0] == files[1]


def _readable(name: str, items: list[Item], preparation: Preparation) -> list[Item]:
    """The items that can be read; one warning names the others."""

    def problem(index: int) -> str | None:
        try:
            preparation.read(items[index], _name(name, items[index], index))
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
