"""The styles of a painter: a row of numbers for each, and what is known of the pictures that it paints."""

from typing import Any

import numpy as np

from keras_style.internal.tensorflow import keras


@keras.saving.register_keras_serializable("keras_style")
class StyleTable(keras.layers.Layer):
    """A row of gammas and betas for each style, which is trained, and a sketch of its pictures, which is not.

    Args:
        count: how many styles.
        numbers: of a row.
        sketch: numbers of a sketch; zeros stand for a sketch that was not taken.
    """

    def __init__(self, count: int, numbers: int, sketch: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count, self.numbers, self.sketch = count, numbers, sketch
        self._make(np.zeros((count, numbers), np.float32), np.zeros((count, sketch), np.float32))
        self.built = True

    def _make(self, rows: np.ndarray, sketches: np.ndarray) -> None:
        self.rows = self.add_weight(shape=rows.shape, initializer="zeros", name="rows")
        self.sketches = self.add_weight(shape=sketches.shape, initializer="zeros", name="sketches", trainable=False)
        self.rows.assign(rows)
        self.sketches.assign(sketches)

    def replace(self, rows: np.ndarray, sketches: np.ndarray) -> None:
        """Other styles, as many as there are rows (S, N) and sketches (S, M)."""
        if len(rows) != self.count:
            # A variable keeps its shape, so that there are new ones. Keras closes a layer once it is built, and opens
            # it in this way for its own LoRA.
            self._tracker.unlock()
            for variable in (self.rows, self.sketches):
                self._untrack_variable(variable)
            self.count = len(rows)
            self._make(rows, sketches)
            self._tracker.lock()
            return
        self.rows.assign(rows)
        self.sketches.assign(sketches)

    def call(self, weights: Any) -> Any:
        """Rows (B, N) of styles blended by weights (B, S)."""
        return keras.ops.matmul(weights, self.rows)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count, "numbers": self.numbers, "sketch": self.sketch}
