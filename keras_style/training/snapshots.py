"""The generators of many epochs, to choose from."""

from pathlib import Path
from typing import Any

from keras_style import checks
from keras_style.checks import DIRECTIONS
from keras_style.internal import directories
from keras_style.internal.paths import user_path
from keras_style.internal.tensorflow import keras
from keras_style.models.loading import keras_file
from keras_style.models.loading.generator_file import generator_name
from keras_style.painting.painters.names import FILE
from keras_style.painting.painters.painter import Painter


class Snapshots(keras.callbacks.Callback):
    """Keep both generators after every so many epochs, in directories `epoch_0005`, `epoch_0010` and so on.

    `keras_style.models.open_generator` opens such a directory.

    Args:
        directory: of these; made if it does not exist, with its parents.
        every: epochs between two of them; 5 in the published program.

    Raises:
        InputError: `every` is no whole number, or the directory cannot be written.

    Example:
        >>> gan = keras_style.models.CycleGAN()
        >>> gan.compile()
        >>> data = keras_style.data.unpaired("trainA", "trainB")
        >>> gan.fit(data, epochs=200, callbacks=[keras_style.training.Snapshots("run/snapshots")])

    Reference: `save_epoch_freq` in `options/train_options.py` of junyanz/pytorch-CycleGAN-and-pix2pix.
    """

    def __init__(self, directory: str | Path, every: int = 5) -> None:
        super().__init__()
        self.directory = user_path(directory)
        self.every = checks.whole("every", every, 1, 10**9)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        directories.make(self.directory)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.every == 0:
            place = self.directory / f"epoch_{epoch + 1:04d}"
            directories.make(place)
            write_networks(place, self.model)


def write_networks(directory: Path, model: Any) -> None:
    """Write what a training makes to the directory: both generators of a CycleGAN, or a painter."""
    if isinstance(model, Painter):
        keras_file.write(directory / FILE, model)
        return
    for direction in DIRECTIONS:
        keras_file.write(directory / generator_name(direction), getattr(model, f"generator_{direction}"))
