"""A generator as a graph for pictures of any size, with its weights as constants."""

from typing import Any

import numpy as np

from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf


def generator_graph(generator: Any) -> Any:
    """`keras_style.models.translate` as a graph.

    Pictures are extended by reflection, at the bottom and on the right, to the next size that the generator takes, and
    the result is cropped back; also those that are smaller than the least size it takes.

    Args:
        generator: a Keras model from images (B, H, W, 3) in [-1, 1] to images of the same shape.

    Returns:
        A `tf.function` from float32 (B, H, W, 3) in [0, 1] to the same; any B, H and W.

    Raises:
        InputError: it is no such model.
    """
    if not isinstance(generator, keras.Model):
        raise InputError(f"generator is of type {type(generator).__name__}; expected a Keras model")
    if getattr(generator, "channels", 3) != 3:
        raise InputError(f"generator takes images of {generator.channels} channels; expected one of RGB images")
    multiple, minimum = _sides(generator)
    _check_shape(generator, -(-max(minimum, 16) // multiple) * multiple)
    # As constants: with anything else for a filter, oneDNN takes a convolution that is several times slower.
    weights = [variable.numpy() for variable in generator.weights]

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])
    def translate(images: Any) -> Any:
        height, width = (tf.shape(images)[axis] for axis in (1, 2))
        extended = images
        for axis, side in ((1, height), (2, width)):
            extended = tf.gather(extended, reflected(side, multiple, minimum), axis=axis)
        constants = [(variable, tf.constant(value)) for variable, value in zip(generator.weights, weights, strict=True)]
        with keras.StatelessScope(constants):
            answer = generator(extended * 2 - 1, training=False)
        cropped = tf.cast(answer, tf.float32)[:, :height, :width]
        return tf.ensure_shape(tf.clip_by_value(cropped / 2 + 0.5, 0, 1), (None, None, None, 3))

    return translate


def extended_pixels(generator: Any) -> Any:
    """A function from height and width of a picture to the pixels that the generator computes for it, int64."""
    multiple, minimum = _sides(generator)

    def pixels(height: Any, width: Any) -> Any:
        sides = [_extended(tf.cast(side, tf.int64), multiple, minimum) for side in (height, width)]
        return sides[0] * sides[1]

    return pixels


def _sides(generator: Any) -> tuple[int, int]:
    return getattr(generator, "multiple", 1), getattr(generator, "minimum", 1)


def _extended(side: Any, multiple: int, minimum: int) -> Any:
    return (tf.maximum(side, minimum) + multiple - 1) // multiple * multiple


def _check_shape(generator: Any, side: int) -> None:
    images = np.zeros((1, side, side, 3), np.float32)
    answer = generator(images, training=False)
    if tuple(answer.shape) != images.shape:
        raise InputError(
            f"the generator answers images of shape {images.shape} with {tuple(answer.shape)}; expected the same shape"
        )


def reflected(side: Any, multiple: int, minimum: int) -> Any:
    """Indices of the pixels of an extended side; beyond a full reflection they turn again, as NumPy does it."""
    period = tf.maximum(2 * (side - 1), 1)
    place = tf.range(_extended(side, multiple, minimum)) % period
    return tf.minimum(place, period - place) % tf.maximum(side, 1)
