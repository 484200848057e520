"""Batches of images that are a function of the step: a training can stop anywhere, and go on as if it had not.

Each collection is a stream: its images one after the other in a random order, then again in a new one, and so on,
without end; or always in its own order. Step g of a training takes the images g * batch_size to (g + 1) *
batch_size - 1 of each stream; an epoch is as many steps as the largest collection needs. Which image comes, its crop
and its flip are functions of the seed and of its number in the stream, and of nothing else.

`Batches.position` is the step at which the next iteration over the dataset begins; an iteration goes to the end of its
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
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from keras_style.data.collections import Item, contents, size_of
from keras_style.data.preparation import Preparation, name_of
from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf


class Batches(tf.data.Dataset):
    """A dataset whose next iteration begins at the step `position`.

    Args:
        collections: images by the name of their collection. An element is a tensor (batch_size, H, W, channels), of
            several collections a tuple of them.
        preparation: of each image.
        least: of the values; the largest is 1.
        shuffled: for each collection, whether it comes in random orders.
        batch_size: images of each collection in a step.
        settings: what else decides the batches, for `settings`.
        seed: of orders, crops and flips.

    Attributes:
        position: number of the step, counted from the start of the training over all epochs, at which the next
            iteration begins. An iteration goes to the end of its epoch and moves the position there when it starts.
        steps_per_epoch: images of the largest collection / batch_size, rounded up; also `len(data)`.
        settings: what decides the batches, as plain values, wherever the images lie. Two datasets with equal settings
            give equal batches, unless images differ that have the same names and sizes and are not among the 16 of
            each collection that are compared as a whole. For a checkpoint to compare.
        failure: the error of the image that could not be read, if one ended an iteration.
        largest: height and width that no image exceeds.
    """

    def __init__(
        self,
        collections: Mapping[str, Sequence[Item]],
        preparation: Preparation,
        least: float,
        shuffled: Sequence[bool],
        batch_size: int,
        settings: Mapping[str, Any],
        seed: int,
    ) -> None:
        self.position = 0
        self.failure: InputError | None = None
        self.steps_per_epoch = -(-max(map(len, collections.values())) // batch_size)
        sizes = [(preparation.image_size,) * 2]
        if not preparation.crops:
            everything = [item for items in collections.values() for item in items]
            with ThreadPoolExecutor(os.cpu_count()) as threads:
                sizes = [preparation.resized(*size) for size in threads.map(size_of, everything) if size]
        self.largest = max((height for _, height in sizes), default=1), max((width for width, _ in sizes), default=1)
        self.settings: dict[str, Any] = {
            **{name: _summary(items) for name, items in collections.items()},
            **{f"contents_{name}": contents(items) for name, items in collections.items()},
            **asdict(preparation),
            "batch_size": batch_size,
            **settings,
            "seed": seed,
        }
        self._streams = [
            _Stream(name, items, preparation, least, in_any_order, (seed, number))
            for number, ((name, items), in_any_order) in enumerate(zip(collections.items(), shuffled, strict=True))
        ]

        # TensorFlow keeps what is given to `numpy_function` for ever: not this dataset, with its images. An iterator
        # keeps the dataset.
        this: Any = weakref.ref(self)

        def image_of(stream: int, number: tf.Tensor) -> tf.Tensor:
            image = tf.numpy_function(lambda number: this()._image(stream, number), [number], tf.float32)
            return tf.ensure_shape(image, preparation.shape)

        def element(number: tf.Tensor) -> Any:
            found = tuple(image_of(stream, number) for stream in range(len(collections)))
            return found if len(found) > 1 else found[0]

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
            .map(element, num_parallel_calls=tf.data.AUTOTUNE)
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

    def _image(self, stream: int, number: np.int64) -> np.ndarray:
        try:
            return self._streams[stream][int(number)]
        except InputError as error:
            self.failure = error
            raise


class _Stream:
    """A collection's images without end, each as a function of its number."""

    def __init__(
        self,
        name: str,
        items: Sequence[Item],
        preparation: Preparation,
        least: float,
        shuffled: bool,
        seed: tuple[int, int],
    ) -> None:
        self.name = name
        self.items = items
        self.preparation = preparation
        self.least = least  # of its values; the largest is 1
        self.shuffled = shuffled
        self.seed = seed
        self.order = functools.lru_cache(maxsize=4)(self._order)  # images in work can span two laps

    def __getitem__(self, number: int) -> np.ndarray:
        lap, place = divmod(number, len(self.items))
        index = self.order(lap)[place]
        picture = self.preparation.read(self.items[index], name_of(self.name, self.items[index], index))
        values = self.preparation.vary(picture, np.random.default_rng((*self.seed, 1, number)))
        return values / np.float32(255 / (1 - self.least)) + np.float32(self.least)

    def _order(self, lap: int) -> np.ndarray:
        number = len(self.items)
        return np.random.default_rng((*self.seed, 0, lap)).permutation(number) if self.shuffled else np.arange(number)


def _summary(items: Sequence[Item]) -> str:
    """Count and digest of the names, or shapes."""
    names = [item.name if isinstance(item, Path) else str(item.shape) for item in items]
    return f"{len(items)} images, {hashlib.sha256(os.fsencode('/'.join(names))).hexdigest()[:16]}"
