"""Data: images from folders, lists, arrays and datasets, as batches for `fit`."""

from typing import TYPE_CHECKING

from keras_style.internal import lazy_names

if TYPE_CHECKING:
    from keras_style.data.unpaired_batches import Unpaired, unpaired

__all__ = ["Unpaired", "unpaired"]

__getattr__, __dir__ = lazy_names.attributes(__name__, dict.fromkeys(__all__, "keras_style.data.unpaired_batches"))
