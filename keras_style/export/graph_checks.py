"""Refusals inside a graph: TensorFlow Serving answers them with INVALID_ARGUMENT and their text."""

from typing import Any

from keras_style.internal.tensorflow import tf


def refuse_unless(condition: Any, message: list[Any], tensor: Any) -> Any:
    """`tensor`, whose reader waits for the check; what the check protects is to be computed from it.

    Args:
        condition: a boolean scalar.
        message: texts and scalars that make one sentence.
        tensor: what is passed on.
    """
    parts = [part if isinstance(part, str) else _text(part) for part in message]
    with tf.control_dependencies([tf.debugging.Assert(condition, [tf.strings.join(parts)])]):
        return tf.identity(tensor)


def _text(value: Any) -> Any:
    return value if value.dtype == tf.string else tf.strings.as_string(value, shortest=value.dtype.is_floating)
