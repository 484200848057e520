"""Data: images from folders, lists, arrays and datasets, as batches for `fit`."""

from typing import TYPE_CHECKING

from keras_style.internal import lazy_names

if TYPE_CHECKING:
    from keras_style.data.photograph_batches import Photographs, photographs
    from keras_style.data.unpaired_batches import Unpaired, unpaired

__all__ = ["Photographs", "Unpaired", "photographs", "unpaired"]

__getattr__, __dir__ = lazy_names.attributes(
    __name__,
    {
        "Photographs": "keras_style.data.photograph_batches",
        "Unpaired": "keras_style.data.unpaired_batches",
        "photographs": "keras_style.data.photograph_batches",
        "unpaired": "keras_style.data.unpaired_batches",
    },
)
