"""Functions with a gradient of their own."""

from collections.abc import Callable
from typing import Any

from keras_style.internal.tensorflow import tf


def with_gradient(function: Callable[..., tuple[tf.Tensor, Callable[..., Any]]]) -> Callable[..., tf.Tensor]:
    """`tf.custom_gradient(function)`, of tensors of any shape, as one graph that is part of all others.

    TensorFlow registers every call of `tf.custom_gradient` in a graph, and with it the graph and all that it holds, for
    as long as the process lives.

    Args:
        function: from tensors to a tensor and its gradient. All that differs from call to call is an argument.
    """
    return tf.function(tf.custom_gradient(function), autograph=False, reduce_retracing=True)
