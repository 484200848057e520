"""Pictures that are not trained on, read once: to be looked at and to be measured."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from keras_style import checks, images
from keras_style.data.collections import Collection, items_of
from keras_style.data.preparation import Preparation

Pictures: TypeAlias = Collection | Sequence[np.ndarray]

AS_THEY_ARE = Preparation("crop", 1, 1, flip=False)


def read(
    name: str,
    source: Pictures,
    image_size: int | None = None,
    limit: int | None = None,
    preparation: Preparation | None = None,
) -> list[np.ndarray]:
    """All pictures of a collection, or `limit` of them at equal distances, in their order.

    Args:
        name: how errors call the collection.
        source: as `keras_style.data.unpaired` takes it, or a list of arrays (H, W, 3), which stay as they are.
        image_size: pixels; every picture becomes a square of this side (bicubic, antialiased; the aspect is lost), as
            in the original's test. None: pictures keep their sizes.
        limit: how many at most.
        preparation: in place of `image_size`; what is gray becomes three equal channels.

    Returns:
        uint8 arrays (H, W, 3); of a list of arrays, what was given.

    Raises:
        MissingFileError: a folder or file does not exist.
        InputError: the collection holds no image, or one that cannot be read.
    """
    given = isinstance(source, list | tuple) and bool(source) and all(isinstance(each, np.ndarray) for each in source)
    items: Any = source if given else items_of(name, source)
    if limit is not None and len(items) > checks.whole("limit", limit, 1, 10**6):
        items = [items[index * len(items) // limit] for index in range(limit)]
    if given:
        for index, array in enumerate(items):
            images.load(array, name=f"{name}[{index}]")
        return list(items)
    if preparation is None and image_size is not None:
        size = checks.whole("image_size", image_size, images.MIN_SIDE, 2**14)
        preparation = Preparation("resize_and_crop", size, size, flip=False)
    preparation = preparation or AS_THEY_ARE
    return [np.asarray(preparation.read(item, name).convert("RGB")) for item in items]
