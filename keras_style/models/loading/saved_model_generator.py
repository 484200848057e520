"""An exported generator, opened again as a Keras model."""

import os
from pathlib import Path
from typing import Any

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf

SIGNATURE = "serving_default"


class SavedModelGenerator(keras.Model):
    """The signature `serving_default` of a SavedModel, from `image` to `image` in [0, 1], as a generator.

    It cannot be trained or saved again.

    Args:
        folder: the version's directory, which holds `saved_model.pb`.

    Call arguments: `images` (B, H, W, 3) in [-1, 1].

    Raises:
        InputError: it cannot be loaded, or has no such signature.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(name=Path(folder).name, trainable=False)
        try:
            self._loaded = tf.saved_model.load(str(folder))
        except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
            raise InputError(f"{folder} cannot be opened: {' '.join(str(error).split())[:300]}") from None
        signature = self._loaded.signatures.get(SIGNATURE)
        if signature is None or not (
            set(signature.structured_input_signature[1]) == set(signature.structured_outputs) == {"image"}
        ):
            raise InputError(f"{folder}: expected a SavedModel with a signature {SIGNATURE} from image to image")
        self._signature = signature
        self.built = True

    def call(self, images: Any, training: bool | None = None) -> Any:
        # The graph refuses what is outside [0, 1], also by a last bit.
        return self._signature(image=tf.clip_by_value(images / 2 + 0.5, 0.0, 1.0))["image"] * 2 - 1
