"""Ctrl-C during a training: its state is saved at the end of the step, and nothing of it is lost."""

import signal
import threading
from types import FrameType
from typing import Any

from keras_style.internal.tensorflow import keras
from keras_style.training.resume import Resume


class Stopped(Exception):
    """The training was interrupted, and its state is saved."""


class Interrupt(keras.callbacks.Callback):
    """Turns the first Ctrl-C into a saved state and `Stopped`, after the step under way; the second acts as usual.

    Only in the main thread, which gets the signals; elsewhere it does nothing.

    Args:
        resume: what saves the state; it comes earlier in the list of callbacks.
        steps: of an epoch.
    """

    def __init__(self, resume: Resume, steps: int) -> None:
        super().__init__()
        self.resume, self.steps = resume, steps
        self.asked = False
        self.usual: Any = None

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():
            self.usual = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        if self.usual is not None:
            signal.signal(signal.SIGINT, self.usual)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self.usual)

    # Not after the last step of an epoch: what the callbacks do at its end belongs to it.
    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.asked and self.resume.step < self.steps:
            self._stop()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.asked:
            self._stop()

    def _stop(self) -> None:
        self.resume.save()
        raise Stopped
