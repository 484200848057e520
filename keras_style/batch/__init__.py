"""Many pictures, on one machine or many: a folder in, a folder out, by Ray Data (`pip install 'keras-style[batch]'`).

`run` is the command `keras-style batch`. What is finished stays finished, and the same call goes on after any stop.
"""

from typing import TYPE_CHECKING

from keras_style.internal import lazy_names

if TYPE_CHECKING:
    from keras_style.batch.batch_result import BatchResult
    from keras_style.batch.report import Row
    from keras_style.batch.start import run

__all__ = ["BatchResult", "Row", "run"]

__getattr__, __dir__ = lazy_names.attributes(
    __name__,
    {
        "BatchResult": "keras_style.batch.batch_result",
        "Row": "keras_style.batch.report",
        "run": "keras_style.batch.start",
    },
)
