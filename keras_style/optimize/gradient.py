"""The losses of an image and their gradient as one graph, which runs as it was written."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_style.internal.recent import Recent
from keras_style.internal.tensorflow import tf
from keras_style.optimize.objective import BoundObjective

# Of a function that no graph optimizer is to touch. Inlined, it would be optimized with its caller; and a session, as
# TF Serving has one, optimizes all functions of its graph but those of tf.data, which has optimizers of its own.
AS_WRITTEN = {"_noinline": True, "_tf_data_function": True}

# Graphs kept, ours: of the scales of a dozen sizes. One takes some 20 MB.
GRAPHS: Recent[Any] = Recent(32)

Losses = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]
LossesAndGradient = Callable[[tf.Tensor, int | tf.Tensor], tuple[dict[str, tf.Tensor], tf.Tensor]]


def objective_and_gradient(objective: BoundObjective, shape: tuple[int, ...], dtype: np.dtype) -> LossesAndGradient:
    """`losses_and_gradient` of an objective; objectives that differ in nothing but their targets share a graph.

    Args:
        objective: of images (B, H, W, 3).
        shape: (B, H, W, 3).
        dtype: float32 or float64.
    """
    tensors = objective.tensors
    kinds = tf.nest.map_structure(tf.TensorSpec.from_tensor, tensors)
    pattern = objective.with_tensors(kinds)  # which holds no targets

    def losses(images: tf.Tensor, step: tf.Tensor, tensors: Any) -> dict[str, tf.Tensor]:
        return pattern.with_tensors(tensors)(images, step)

    key = objective.key(), shape, str(dtype), repr(kinds)
    graph = GRAPHS.get(key, lambda: _graph(losses, shape, dtype, kinds))
    return lambda images, step: graph(images, tf.cast(step, tf.int64), tensors)


def losses_and_gradient(losses: Losses, shape: tuple[int | None, ...], dtype: np.dtype) -> LossesAndGradient:
    """`losses` of images and step, with the gradient of their sum.

    Args:
        losses: from images (B, H, W, 3) and step to losses by name.
        shape: (B, H, W, 3); None where it is known only when the graph runs.
        dtype: float32 or float64.
    """
    graph = _graph(lambda images, step, tensors: losses(images, step), shape, dtype, ())

    def evaluate(images: tf.Tensor, step: int | tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        values, gradient = graph(images, tf.cast(step, tf.int64), ())
        return values, tf.ensure_shape(gradient, shape)

    return evaluate


def _graph(
    losses: Callable[..., dict[str, tf.Tensor]], shape: tuple[int | None, ...], dtype: np.dtype, kinds: Any
) -> Callable[..., tuple[dict[str, tf.Tensor], tf.Tensor]]:
    """The values of `losses` and their gradient as a graph of images, step and tensors of these `kinds`."""

    def both(images: tf.Tensor, step: tf.Tensor, tensors: Any) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(images)
            values = losses(images, step, tensors)
            total = tf.add_n(list(values.values()))
        return values, tape.gradient(total, images)

    return as_written(both, [tf.TensorSpec(shape, dtype), tf.TensorSpec([], tf.int64), kinds])


def as_written(function: Callable[..., Any], signature: Sequence[Any]) -> Callable[..., Any]:
    """`function` as a graph, to be called eagerly or inside a `tf.function`.

    TensorFlow's graph optimizer is kept away from it. In graphs of more than some 200 MB it turns a sum of three or
    more gradients into additions in the order of arrival, so that the last bits differ from run to run. It has nothing
    to speed up here. Large tensors should be captured or arguments: TensorFlow copies the constants of a graph several
    times before its first call.

    Args:
        function: from tensors, in any nesting, to tensors, in any nesting.
        signature: a `tf.TensorSpec` for each tensor.
    """
    traced = tf.function(function, autograph=False, input_signature=signature, experimental_attributes=AS_WRITTEN)
    graph = traced.get_concrete_function()
    settings = tf.compat.v1.ConfigProto()
    settings.graph_options.rewrite_options.disable_meta_optimizer = True

    def call(*arguments: Any) -> Any:
        outputs = tf.raw_ops.StatefulPartitionedCall(
            args=[*tf.nest.flatten(arguments), *graph.captured_inputs],
            Tout=[output.dtype for output in graph.outputs],
            f=graph,
            config_proto=settings.SerializeToString(),
        )
        return tf.nest.pack_sequence_as(graph.structured_outputs, outputs)

    # Called eagerly, the operation would stay in TensorFlow's cache of kernels, with the graph, for ever; a function
    # takes its kernels with it.
    outer = tf.function(call, autograph=False, input_signature=signature)

    def either(*arguments: Any) -> Any:
        return outer(*arguments) if tf.executing_eagerly() else call(*arguments)

    return either
