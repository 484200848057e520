"""The callbacks of `CycleGAN.fit`: one that stops what is no longer finite, and none that cannot work."""

from typing import Any

import numpy as np

from keras_style.errors import DivergenceError, InputError
from keras_style.internal.tensorflow import keras


class StopAtDivergence(keras.callbacks.Callback):
    """Ends a training with a `DivergenceError` after the first step whose losses are not all finite."""

    epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        values = {name: float(np.mean(value)) for name, value in (logs or {}).items()}
        wrong = [f"{name} {value:g}" for name, value in values.items() if not np.isfinite(value)]
        if wrong:
            raise DivergenceError(
                f"the training is not finite at epoch {self.epoch + 1}, step {batch + 1}: {', '.join(wrong)}; try a "
                "smaller learning rate, or float32, and look for pictures that hold no finite numbers"
            )


def checked(callbacks: Any) -> Any:
    """The callbacks of a `fit`, with `StopAtDivergence` before all others.

    Raises:
        InputError: one of them needs a model with a single optimizer, or would write a file that nothing opens.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):  # which is set up already
        return callbacks
    given = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else callbacks or []
    for each in given:
        if isinstance(each, keras.callbacks.LearningRateScheduler | keras.callbacks.ReduceLROnPlateau):
            raise InputError(
                f"callbacks: {type(each).__name__} sets the rate of one optimizer, and a CycleGAN has two; expected "
                "keras_style.training.LinearDecay, or a schedule as learning_rate of both optimizers"
            )
        if isinstance(each, keras.callbacks.ModelCheckpoint) and not each.save_weights_only:
            path = str(each.filepath)
            if not path.endswith(".keras"):
                raise InputError(f"callbacks: ModelCheckpoint writes {path}; expected a file that ends in .keras")
    return [StopAtDivergence(), *given]
