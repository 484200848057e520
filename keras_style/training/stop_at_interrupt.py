"""Ctrl-C during a training: the state is saved at the end of the step, so that nothing is lost."""

from typing import Any

from keras_style.internal.interrupt import first_signal
from keras_style.internal.tensorflow import keras
from keras_style.training.resume import Resume


class Stopped(Exception):
    """The training was interrupted, and its state is saved."""


class StopAtInterrupt(keras.callbacks.Callback):
    """Turns the first Ctrl-C into a saved state and `Stopped`, after the step under way; the second acts as usual.

    Args:
        resume: the callback that saves the state; it comes earlier in the list.
        steps: steps per epoch.
    """

    def __init__(self, resume: Resume, steps: int) -> None:
        super().__init__()
        self.resume, self.steps = resume, steps
        self.asked = False
        self._signals = first_signal(self._ask)

    def __enter__(self) -> "StopAtInterrupt":
        self._signals.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._signals.__exit__(*error)

    def _ask(self) -> None:
        self.asked = True

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
