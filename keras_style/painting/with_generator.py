"""A transfer by a trained generator, which has learned the style, instead of a painting."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_style import images
from keras_style.errors import InputError
from keras_style.images import ImageLike
from keras_style.internal.recent import Recent
from keras_style.painting.parameters import CHECKS
from keras_style.painting.result import TransferResult

if TYPE_CHECKING:
    import keras

_OPENED: Recent[Any] = Recent(2)  # generators kept for the next picture

# What a generator has a use for. It takes no steps: callbacks are accepted, and never called.
ARGUMENTS = ("content", "model", "size", "callbacks", "verbose")


def transfer(content: ImageLike, model: "str | Path | keras.Model", size: int) -> TransferResult:
    """Translate a picture by one pass through a generator.

    Args:
        content: the picture.
        model: a generator, or what `keras_style.models.open_generator` opens, in the direction a2b.
        size: long side of the result in pixels.

    Raises:
        InputError: the model or the picture cannot be read.
    """
    began = time.perf_counter()
    CHECKS["size"]("size", size)
    picture = images.load(content, name="content")
    picture = images.resize(picture, *images.fitted_size(picture.shape[0], picture.shape[1], size))
    from keras_style.models.translation import translate

    generator = _opened(model) if isinstance(model, str | Path) else model
    array = translate(generator, picture)
    settings = {"model": str(model) if isinstance(model, str | Path) else generator.name, "size": size}
    return TransferResult(array, {"loss": []}, settings, time.perf_counter() - began)


def _opened(source: str | Path) -> Any:
    """The generator of a file, opened anew when the file is another than before."""
    from keras_style.models.loading.generator_file import generator_file
    from keras_style.models.loading.open_generator import open_generator

    path = generator_file(source, "a2b")
    state = path.stat()
    return _OPENED.get((path.resolve(), state.st_mtime_ns, state.st_size), lambda: open_generator(source))


def check_arguments(given: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Refuse arguments of `keras_style.transfer` that only an optimization uses.

    Raises:
        InputError: there is one.
    """
    unfit = [name for name, value in given.items() if name not in ARGUMENTS and value is not defaults.get(name)]
    if unfit:
        raise InputError(
            f"model together with {', '.join(unfit)}; a model has its style already: expected at most "
            f"{', '.join(ARGUMENTS[2:])} beside it"
        )
