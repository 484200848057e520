"""Pictures to look at during the training of a painter: photographs in all styles."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_style import checks, images
from keras_style.internal import directories
from keras_style.internal.paths import user_path
from keras_style.internal.tensorflow import keras
from keras_style.painting.painters.sheet import contact_sheet
from keras_style.training import held_out
from keras_style.training.held_out import Pictures

if TYPE_CHECKING:
    from keras_style.training.tensorboard_log import TensorBoardLog


class PainterSamples(keras.callbacks.Callback):
    """Write a PNG for each epoch: each photograph, and it in every style.

    Files are called `epoch_0001.png`, epochs being counted from 1.

    Args:
        directory: of the sheets; made if it does not exist, with its parents.
        photographs: as `keras_style.data.photographs` takes them, or a list of arrays.
        count: photographs; of a larger collection, some at equal distances.
        every: epochs between two sheets; the last epoch always gets one.
        image_size: long side of each picture in pixels.
        tensorboard: a `TensorBoardLog` that gets the sheets as well.

    Raises:
        MissingFileError, InputError: an argument is something else than expected.

    Example:
        >>> painter = keras_style.models.Painter.from_preset("painters")
        >>> painter.compile(paintings={"mine": "painting.png"})
        >>> data = keras_style.data.photographs("photos")
        >>> painter.fit(data, epochs=2, callbacks=[keras_style.training.PainterSamples("run/samples", "photographs")])
    """

    def __init__(
        self,
        directory: str | Path,
        photographs: Pictures,
        count: int = 2,
        every: int = 1,
        image_size: int = 256,
        tensorboard: "TensorBoardLog | None" = None,
    ) -> None:
        super().__init__()
        self.directory = user_path(directory)
        self.every = checks.whole("every", every, 1, 10**9)
        self.size = checks.whole("image_size", image_size, images.MIN_SIDE, 2**14)
        self.tensorboard = tensorboard
        self.photographs = held_out.read("photographs", photographs, limit=checks.whole("count", count, 1, 1000))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        directories.make(self.directory)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.every and epoch + 1 != self.params["epochs"]:
            return
        grid = self.grid()
        images.save(grid, self.directory / f"epoch_{epoch + 1:04d}.png")
        if self.tensorboard:
            self.tensorboard.image("samples", grid, epoch + 1)

    def grid(self) -> np.ndarray:
        """The sheets of all photographs below each other: float32 (height, width, 3) in [0, 1]."""
        sheets = [contact_sheet(self.model, each, self.size) for each in self.photographs]
        width = max(sheet.shape[1] for sheet in sheets)
        padded = [np.pad(each, ((0, 0), (0, width - each.shape[1]), (0, 0)), constant_values=1) for each in sheets]
        return np.concatenate(padded)
