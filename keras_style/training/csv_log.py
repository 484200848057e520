"""The losses and measurements of every epoch as a table."""

import csv
import io
import math
from pathlib import Path
from typing import Any

from keras_style.internal import atomic_files
from keras_style.internal.paths import user_path
from keras_style.internal.tensorflow import keras


class CSVLog(keras.callbacks.Callback):
    """Write a CSV file with a row for each epoch, counted from 1, and a column for each of its logs.

    The file is written anew, from the history of the training, after each epoch: with `Resume`, which restores the
    history, no epoch is missing and none is there twice, however often the training was killed. What is not a number
    in an epoch, such as a measurement that was not taken, is an empty cell. Put it after the callbacks that add logs.

    Args:
        path: of the file; its directory must exist.

    Example:
        >>> gan = keras_style.models.CycleGAN()
        >>> gan.compile()
        >>> data = keras_style.data.unpaired("trainA", "trainB")
        >>> gan.fit(data, epochs=200, callbacks=[keras_style.training.CSVLog("log.csv")])
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = user_path(path)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        before = self.model.history  # which gets the logs of this epoch after the callbacks
        columns = list(dict.fromkeys([*before.history, *(logs or {})]))
        table = [[number + 1, *row] for number, row in zip(before.epoch, _rows(before.history, columns), strict=True)]
        table.append([epoch + 1, *((logs or {}).get(name, math.nan) for name in columns)])
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoch", *columns])
        writer.writerows(["" if math.isnan(value) else value for value in row] for row in table)
        atomic_files.write_bytes(self.path, text.getvalue().encode())


def _rows(history: dict[str, list[float]], columns: list[str]) -> list[tuple[float, ...]]:
    length = max(map(len, history.values()), default=0)
    # What is among the logs only since some epoch is in the last ones.
    values = [history.get(name, []) for name in columns]
    return list(zip(*([math.nan] * (length - len(each)) + each for each in values), strict=True))
