"""A model's call as a graph with its weights as constants, traced anew when they have changed."""

import gc
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from keras_style.internal.tensorflow import keras, tf

# By model, and by the kind of call: the weights when it was traced, and the function.
_traced: weakref.WeakKeyDictionary[Any, dict[Hashable, tuple[list[np.ndarray], Callable]]] = weakref.WeakKeyDictionary()


def frozen(
    model: Any, kind: Hashable, call: Callable[..., Any], signature: Sequence[Any] | None, jit_compile: bool = False
) -> Callable[..., Any]:
    """A `tf.function` of `call`, whose first argument is the model; the last one of this kind while it is still right.

    As constants, oneDNN lays the weights out for its fastest convolution. XLA only compiles longer with them, and gets
    variables.

    Args:
        model: a Keras model.
        kind: what distinguishes this call of the model from others.
        call: from the model and tensors to tensors.
        signature: a `tf.TensorSpec` for each tensor; None: traced for each shape.
        jit_compile: compile with XLA.
    """
    weights = [] if jit_compile else [_view(variable) for variable in model.weights]
    traced = _traced.setdefault(model, {})
    if kind in traced:
        before, function = traced[kind]
        if len(before) == len(weights) and all(map(_equal, before, weights)):
            return function
    reference = weakref.ref(model)  # a strong one would keep the model in `_traced` forever

    def run(*tensors: Any) -> Any:
        model: Any = reference()
        constants = [(variable, tf.constant(value)) for variable, value in zip(model.weights, weights, strict=False)]
        with keras.StatelessScope(constants):
            return call(model, *tensors)

    gc.collect()  # graphs of models that are gone, which are parts of circles: Python may leave them for minutes
    traced[kind] = weights, tf.function(run, autograph=False, input_signature=signature, jit_compile=jit_compile)
    return traced[kind][1]


def _view(variable: keras.Variable) -> np.ndarray:
    """The variable's value, without a copy on a CPU, where TensorFlow does not write to it while it is held."""
    tensor = tf.convert_to_tensor(variable.value)
    return tensor.numpy() if tensor.dtype == tf.bfloat16 else np.asarray(memoryview(tensor))  # which Python lacks


def _equal(before: np.ndarray, now: np.ndarray) -> bool:
    return before.ctypes.data == now.ctypes.data or np.array_equal(before, now)
