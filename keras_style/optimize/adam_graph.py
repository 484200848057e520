"""Adam on pixels inside a graph: the steps of `keras.optimizers.Adam`, without a variable."""

from collections.abc import Mapping

from keras_style.internal.tensorflow import tf
from keras_style.optimize.gradient import LossesAndGradient


def adam_graph(
    numbers: Mapping[str, float], evaluate: LossesAndGradient, image: tf.Tensor, steps: tf.Tensor
) -> tf.Tensor:
    """Take `steps` steps from `image`, clipping to [0, 1] after each, to be called inside a `tf.function`.

    A served graph answers several requests at once, so that it can have no variables, as Keras's optimizers do.

    Args:
        numbers: "learning_rate", "beta_1", "beta_2" and "epsilon".
        evaluate: what `losses_and_gradient` made.
        image: (B, H, W, 3), where to start, of any size.
        steps: scalar, how many steps.

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
        return number + 1, tf.clip_by_value(image, 0, 1), momentum, velocity

    return tf.while_loop(
        lambda number, *_: number <= steps,
        step,
        (tf.constant(1, tf.int64), image, tf.zeros_like(image), tf.zeros_like(image)),
        shape_invariants=(tf.TensorShape([]), *[tf.TensorShape([image.shape[0], None, None, 3])] * 3),
        parallel_iterations=1,
    )[1]
