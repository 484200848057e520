"""Losses and pictures for TensorBoard, written without it."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from keras_style import images
from keras_style.internal import directories
from keras_style.internal.paths import user_path
from keras_style.internal.tensorflow import keras, tf

_v1 = tf.compat.v1


class TensorBoardLog(keras.callbacks.Callback):
    """Write the logs of every epoch, and pictures, where TensorBoard finds them: `tensorboard --logdir DIRECTORY`.

    `keras.callbacks.TensorBoard` needs the package tensorboard, which TensorFlow no longer brings along, and has no
    pictures. The files are records of a message that TensorFlow still defines, so nothing needs to be installed where
    the training runs. Each run adds a file that tells TensorBoard to forget what an earlier, killed run said about the
    same epochs.

    The horizontal axis is the epoch, counted from 1. Put it after the callbacks that add logs.

    Args:
        directory: of the files; made if it does not exist, with its parents.

    Example:
        >>> gan = keras_style.models.CycleGAN()
        >>> gan.compile()
        >>> data = keras_style.data.unpaired("trainA", "trainB")
        >>> gan.fit(data, epochs=200, callbacks=[keras_style.training.TensorBoardLog("run/tensorboard")])
    """

    def __init__(self, directory: str | Path) -> None:
        super().__init__()
        self.directory = user_path(directory)
        self.writer: Any = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.writer is None:
            directories.make(self.directory)
            number = len(list(self.directory.glob("events.out.tfevents.*")))  # TensorBoard reads in the order of names
            path = self.directory / f"events.out.tfevents.{number:010d}.keras_style"
            self.writer = tf.io.TFRecordWriter(str(path))
            self._write(file_version="brain.Event:2")
            self._write(step=epoch + 1, session_log=_v1.SessionLog(status=_v1.SessionLog.START))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = [
            _v1.Summary.Value(tag=name, simple_value=value)
            for name, value in (logs or {}).items()
            if not math.isnan(value)
        ]
        self._write(step=epoch + 1, summary=_v1.Summary(value=values))

    def image(self, name: str, picture: np.ndarray, step: int) -> None:
        """Write a picture: floating point (height, width, 3) in [0, 1]."""
        height, width, _ = picture.shape
        encoded = images.encode(picture, "png")
        image = _v1.Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=encoded)
        self._write(step=step, summary=_v1.Summary(value=[_v1.Summary.Value(tag=name, image=image)]))

    def _write(self, **content: Any) -> None:
        self.writer.write(_v1.Event(wall_time=time.time(), **content).SerializeToString())
        self.writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None
