"""The callbacks of `CycleGAN.fit`: one that stops what is no longer finite, and none that cannot work."""

from typing import Any

import numpy as np

from keras_style.errors import DivergenceError, InputError
from keras_style.internal.tensorflow import keras
from keras_style.models.loading import keras_file
from keras_style.models.training_step import LOSSES, Optimizers


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


_SETS_RATES = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
_FOLLOWS = (keras.callbacks.EarlyStopping, keras.callbacks.ModelCheckpoint, keras.callbacks.ReduceLROnPlateau)


def checked(callbacks: Any, optimizer: Optimizers | None) -> list[Any]:
    """The callbacks of a `fit`, with `StopAtDivergence` before all others.

    Raises:
        InputError: one of them cannot work, which Keras would say after an epoch.
    """
    inside = getattr(callbacks, "callbacks", callbacks)  # of a `keras.callbacks.CallbackList`
    given = keras.tree.flatten(inside) if inside else []
    for each in given:
        name = f"callbacks: {type(each).__name__}"
        if isinstance(each, _SETS_RATES) and optimizer and optimizer.follow_schedules:
            raise InputError(f"{name} with an optimizer that follows a schedule; expected a number as learning_rate")
        if isinstance(each, keras.callbacks.SwapEMAWeights):
            raise InputError(f"{name} knows one optimizer, and a CycleGAN has two; expected no such callback")
        if isinstance(each, keras.callbacks.ModelCheckpoint) and not each.save_weights_only:
            keras_file.check_path(each.filepath)
        if isinstance(each, _FOLLOWS) and each.mode == "auto" and each.monitor not in ("loss", "val_loss"):
            if each.monitor.removeprefix("val_") not in LOSSES:
                raise InputError(f"{name} follows {each.monitor} with mode='auto'; expected mode='min' or mode='max'")
            each.mode = "min"
    return [StopAtDivergence(), *given]
