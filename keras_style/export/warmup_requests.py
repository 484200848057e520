"""Requests that TensorFlow Serving runs before a version gets its first one from outside."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from keras_style import images
from keras_style.internal.tensorflow import tf

FILE = Path("assets.extra", "tf_serving_warmup_requests")


def write_warmup(
    folder: Path,
    name: str,
    signatures: Mapping[str, Any],
    side: int,
    steps: int,
    styles: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> None:
    """Write a record for each signature.

    Args:
        folder: of the SavedModel.
        name: of the model; a server does not compare it.
        signatures: `tf.function`s by name, of `keras_style.export.signatures`.
        side: of the pictures, in pixels, where a signature leaves their size open.
        steps: of an optimization: a record that fails keeps the version from being loaded.
        styles: values of the inputs that a painter has beside pictures, by their names.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    (folder / FILE).parent.mkdir()
    with tf.io.TFRecordWriter(str(folder / FILE)) as writer:
        for signature, function in signatures.items():
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name, request.model_spec.signature_name = name, signature
            for spec in function.input_signature:
                example = styles[spec.name] if spec.name in styles else _example(spec, side, steps)
                request.inputs[spec.name].CopyFrom(tf.make_tensor_proto(example))
            writer.write(log.SerializeToString())


def _example(spec: Any, side: int, steps: int) -> np.ndarray:
    """A value for an input: one smooth picture, or the number of steps."""
    if spec.dtype == tf.int32:
        return np.array(steps, np.int32)
    height, width = spec.shape[1:3] if spec.shape.rank == 4 else (side, side)
    picture = _picture(height or side, width or side)
    if spec.dtype == tf.string:
        return np.array([images.encode(picture, "png")], object)
    return np.floor(picture * 255 + 0.5).astype(np.uint8)[None] if spec.dtype == tf.uint8 else picture[None]


def _picture(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [np.sin(x / 9), np.sin(y / 7), np.sin((x + y) / 11)]
    return np.stack([0.5 + 0.4 * wave for wave in waves], axis=-1).astype(np.float32)
