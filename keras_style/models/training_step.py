"""Parts of a training step that do not depend on the model: pairs of images, distances, descent."""

from typing import Any, TypeAlias

from keras_style.internal.tensorflow import keras, tf

Optimizer: TypeAlias = str | keras.optimizers.Optimizer
Images: TypeAlias = tf.Tensor


def descend(
    optimizer: keras.optimizers.Optimizer, tape: tf.GradientTape, loss: tf.Tensor, variables: list[keras.Variable]
) -> None:
    """Take a step of the optimizer along the gradient of the loss."""
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


def pair_of(data: Any) -> tuple[Images, Images]:
    """Images of A and of B, given as a tuple or, as `CycleGAN._shared` does, as one tensor."""
    return tuple(tf.unstack(data, axis=1)) if tf.is_tensor(data) else data[:2]


def wide(values: tf.Tensor) -> tf.Tensor:
    """Values in float32, in which losses are taken whatever the networks compute in."""
    return tf.cast(values, "float32")


def distance(x: Images, y: Images) -> tf.Tensor:
    """Mean absolute difference."""
    return tf.reduce_mean(tf.abs(wide(x) - wide(y)))
