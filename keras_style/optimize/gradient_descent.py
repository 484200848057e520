"""Gradient descent on pixels by a Keras optimizer."""

from collections.abc import Sequence

import numpy as np

from keras_style.internal.tensorflow import keras, tf
from keras_style.optimize.gradient import LossesAndGradient
from keras_style.optimize.iterate import Iterate, OnIterate


def descend(
    optimizer: keras.optimizers.Optimizer,
    evaluate: LossesAndGradient,
    image: np.ndarray,
    steps: int,
    on_iterate: OnIterate,
    resume: tuple[int, Sequence[np.ndarray]] | None = None,
) -> np.ndarray:
    """Take `steps` steps from `image`, clipping to [0, 1] after each.

    Args:
        optimizer: a Keras optimizer; it is copied, so its own state stays as it is.
        evaluate: the losses of images (B, H, W, 3) and step, and their gradient; called eagerly.
        image: (B, H, W, 3), where to start.
        steps: how many steps.
        on_iterate: called after each step; returns True to stop.
        resume: steps already done and the optimizer's state after them (`Iterate.state`), with `image` as it was then.

    Returns:
        The last image.
    """
    done, state = resume or (0, ())
    variable = tf.Variable(image)
    optimizer = type(optimizer).from_config(optimizer.get_config())
    optimizer.build([variable])
    for slot, value in zip(optimizer.variables, state, strict=bool(state)):
        slot.assign(value)

    @tf.function(autograph=False)
    def move(gradient: tf.Tensor) -> None:
        optimizer.apply([gradient], [variable])
        variable.assign(tf.clip_by_value(variable, 0.0, 1.0))

    for number in range(done + 1, steps + 1):
        losses, gradient = evaluate(tf.convert_to_tensor(variable), tf.constant(number, tf.int64))
        move(gradient)
        del gradient  # as large as the image
        values = {name: float(value) for name, value in losses.items()}
        iterate = Iterate(number, steps, values, variable.numpy, lambda: [slot.numpy() for slot in optimizer.variables])
        if on_iterate(iterate):
            break
    return variable.numpy()
