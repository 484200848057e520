"""Pictures to look at during training: each image, its translation, and the way back."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_style import checks, images
from keras_style.errors import InputError
from keras_style.internal import directories
from keras_style.internal.paths import user_path
from keras_style.internal.tensorflow import keras
from keras_style.training import held_out
from keras_style.training.held_out import Pictures

if TYPE_CHECKING:
    from keras_style.training.tensorboard_log import TensorBoardLog

_GAP = 2  # pixels between pictures; three times as wide between the directions
EARLY = (1, 10, 100, 1000)


class Samples(keras.callbacks.Callback):
    """Write a PNG for each epoch: A | A2B | A2B2A and, right of it, B | B2A | B2A2B, a row for each pair of images.

    For an early look there are grids after some steps of the first epoch, too: colors that invert and networks that
    do nothing are seen there.

    Files are called `epoch_0001.png` and `step_00000100.png`, epochs and steps being counted from 1.

    Args:
        directory: of the grids; made if it does not exist, with its parents.
        images_a: images of domain A, as `keras_style.data.unpaired` takes them, or a list of arrays.
        images_b: images of domain B, likewise.
        count: rows; from a larger collection, images at equal distances.
        every: epochs between two grids; the last epoch always gets one.
        early: steps of the first epoch after which there is a grid.
        image_size: pixels; images become squares of this side. None: they keep their sizes. Not used for lists of
            arrays.
        tensorboard: a `TensorBoardLog` that gets the grids of the epochs as well.

    Raises:
        MissingFileError, InputError: an argument is something else than expected.

    Example:
        >>> gan = keras_style.models.CycleGAN()
        >>> gan.compile()
        >>> data = keras_style.data.unpaired("trainA", "trainB")
        >>> gan.fit(data, epochs=200, callbacks=[keras_style.training.Samples("run/samples", "testA", "testB")])
    """

    def __init__(
        self,
        directory: str | Path,
        images_a: Pictures,
        images_b: Pictures,
        count: int = 4,
        every: int = 1,
        early: tuple[int, ...] | list[int] = EARLY,
        image_size: int | None = None,
        tensorboard: "TensorBoardLog | None" = None,
    ) -> None:
        super().__init__()
        self.directory = user_path(directory)
        self.every = checks.whole("every", every, 1, 10**9)
        if not isinstance(early, list | tuple):
            raise InputError(f"early is {checks.shown(early)}; expected a list of steps")
        self.early = {checks.whole("early", step, 1, 10**12) for step in early}
        self.tensorboard = tensorboard
        self.a = held_out.read("images_a", images_a, image_size, checks.whole("count", count, 1, 1000))
        self.b = held_out.read("images_b", images_b, image_size, count)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        directories.make(self.directory)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.early = self.early if epoch == 0 else set()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.early:
            # Not `batch`, which begins again at 0 when an epoch is taken up in its middle.
            step = int(keras.ops.convert_to_numpy(self.model.generator_optimizer.iterations))
            if step in self.early:
                images.save(self.grid(), self.directory / f"step_{step:08d}.png")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.every and epoch + 1 != self.params["epochs"]:
            return
        grid = self.grid()
        images.save(grid, self.directory / f"epoch_{epoch + 1:04d}.png")
        if self.tensorboard:
            self.tensorboard.image("samples", grid, epoch + 1)

    def grid(self) -> np.ndarray:
        """The grid of the model as it is: float32 (height, width, 3) in [0, 1]."""
        columns = []
        for pictures, there, back in ((self.a, "a2b", "b2a"), (self.b, "b2a", "a2b")):
            translated = self.model.translate(pictures, there)
            columns.append([_floating(pictures), translated, self.model.translate(translated, back)])
        height, width = np.max([picture.shape[:2] for column in columns for one in column for picture in one], axis=0)

        def column(pictures: list[np.ndarray]) -> np.ndarray:
            """Below each other on white, as many rows as the longer side has."""
            rows = max(len(self.a), len(self.b))
            canvas = np.ones((rows * (height + _GAP) - _GAP, width, 3), np.float32)
            for row, picture in enumerate(pictures):
                top = row * (height + _GAP)
                canvas[top : top + picture.shape[0], : picture.shape[1]] = picture
            return canvas

        parts: list[np.ndarray] = []
        for number, side in enumerate(columns):
            for pictures in side:
                gap = _GAP * (3 if number and pictures is side[0] else 1)
                drawn = column(pictures)
                parts += [np.ones((len(drawn), gap, 3), np.float32), drawn] if parts else [drawn]
        return np.concatenate(parts, axis=1)


def _floating(pictures: list[np.ndarray]) -> list[np.ndarray]:
    return [images.load(picture) for picture in pictures]
