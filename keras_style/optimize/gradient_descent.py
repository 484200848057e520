"""Gradient descent on pixels: by any Keras optimizer from Python, by Adam inside a graph."""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from keras_style.internal.recent import Recent
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
    bounded: bool = True,
) -> np.ndarray:
    """Take `steps` steps from `image`.

    Args:
        optimizer: a Keras optimizer; it is copied, so its own state stays as it is.
        evaluate: the losses of images (B, H, W, 3) and step, and their gradient; called eagerly.
        image: (B, H, W, 3), where to start.
        steps: number of steps.
        on_iterate: called after each step; returns True to stop.
        resume: steps already done and the optimizer's state after them (`Iterate.state`), with `image` as it was then.
        bounded: clip to [0, 1] after each step.

    Returns:
        The last image.
    """
    done, state = resume or (0, ())
    config = optimizer.get_config()
    key = type(optimizer), json.dumps(config, sort_keys=True, default=repr), image.shape, image.dtype.str, bounded
    mover = _MOVERS.take(key, lambda: _Mover(type(optimizer).from_config(config), image, bounded))
    mover.start(image, state)
    for number in range(done + 1, steps + 1):
        losses, gradient = evaluate(tf.convert_to_tensor(mover.image), tf.constant(number, tf.int64))
        mover.move(gradient)
        del gradient  # as large as the image
        values = {name: float(value) for name, value in losses.items()}
        if on_iterate(Iterate(number, steps, values, mover.image.numpy, mover.read_state)):
            break
    end: np.ndarray = mover.image.numpy()
    if image.nbytes <= _KEPT_BYTES:
        _MOVERS.give(key, mover)
    return end


class _Mover:
    """A picture with a Keras optimizer, for one run at a time.

    Attributes:
        image: the variable.
        move: takes a step, given the gradient.
    """

    def __init__(self, optimizer: keras.optimizers.Optimizer, image: np.ndarray, bounded: bool):
        self.image = tf.Variable(image)
        self._optimizer = optimizer
        optimizer.build([self.image])
        self._at_first = self.read_state()
        # The function must not hold what holds it: Python would free the circle later, with all its graphs.
        variable = self.image

        @tf.function(autograph=False)
        def move(gradient: tf.Tensor) -> None:
            optimizer.apply([gradient], [variable])
            if bounded:
                variable.assign(tf.clip_by_value(variable, 0.0, 1.0))

        self.move = move

    def start(self, image: np.ndarray, state: Sequence[np.ndarray]) -> None:
        """Go to an image, with the state of the optimizer there; none: as before the first step."""
        self.image.assign(image)
        for slot, value in zip(self._optimizer.variables, state or self._at_first, strict=True):
            slot.assign(value)

    def read_state(self) -> list[np.ndarray]:
        return [slot.numpy() for slot in self._optimizer.variables]


# Kept, ours: for the scales of a few sizes. One takes as much memory as four images; a step of a larger image takes
# longer than to make it.
_MOVERS: Recent[_Mover] = Recent(8)
_KEPT_BYTES = 2**22


def adam_graph(
    numbers: Mapping[str, float],
    evaluate: LossesAndGradient,
    image: tf.Tensor,
    steps: tf.Tensor,
    bounded: bool = True,
) -> tf.Tensor:
    """`descend` by `keras.optimizers.Adam` as one loop, to be called inside a `tf.function`.

    It has no variables, which Keras's optimizers have: a served graph answers several requests at once.

    Args:
        numbers: "learning_rate", "beta_1", "beta_2" and "epsilon".
        evaluate: what `losses_and_gradient` made.
        image: (B, H, W, 3), where to start, of any size.
        steps: scalar, number of steps.
        bounded: clip to [0, 1] after each step.

    Returns:
        The last image, of the shape and dtype of `image`.

    Reference: Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, in the form before section 2.1.
    """
    dtype = image.dtype
    rate, beta_1, beta_2 = (tf.constant(numbers[name], dtype) for name in ("learning_rate", "beta_1", "beta_2"))
    steps = tf.cast(steps, tf.int64)

    def step(
        number: tf.Tensor, image: tf.Tensor, momentum: tf.Tensor, velocity: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        _, gradient = evaluate(image, number)
        # The order of Keras's operations, so that the two differ in no bit that the gradient does not differ in.
        power_1, power_2 = beta_1 ** tf.cast(number, dtype), beta_2 ** tf.cast(number, dtype)
        alpha = rate * tf.sqrt(1 - power_2) / (1 - power_1)
        momentum += (gradient - momentum) * (1 - numbers["beta_1"])
        velocity += (tf.square(gradient) - velocity) * (1 - numbers["beta_2"])
        image -= momentum * alpha / (tf.sqrt(velocity) + numbers["epsilon"])
        return number + 1, tf.clip_by_value(image, 0, 1) if bounded else image, momentum, velocity

    return tf.while_loop(
        lambda number, *_: number <= steps,
        step,
        (tf.constant(1, tf.int64), image, tf.zeros_like(image), tf.zeros_like(image)),
        shape_invariants=(tf.TensorShape([]), *[tf.TensorShape([image.shape[0], None, None, 3])] * 3),
        parallel_iterations=1,
    )[1]
