"""A training that is no longer finite."""

from typing import Any

import numpy as np

from keras_style.errors import DivergenceError
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


def watched(callbacks: Any) -> Any:
    """The callbacks of a `fit`, with `StopAtDivergence` before all others."""
    if isinstance(callbacks, keras.callbacks.CallbackList):  # which is set up already
        return callbacks
    given = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else callbacks or []
    return [StopAtDivergence(), *given]
