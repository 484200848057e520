"""A part of feature maps, cut out so that its gradient is quick."""

from keras_style.runtime import tf


def crop(
    features: tf.Tensor, top: tf.Tensor | int, bottom: tf.Tensor | int, left: tf.Tensor | int, right: tf.Tensor | int
) -> tf.Tensor:
    """`features[:, top:bottom, left:right]` of features (B, H, W, C), for bounds that are not negative.

    The gradient of Python's notation is a `StridedSliceGrad`, which on a processor takes 17 times as long as the
    padding that undoes a `tf.slice` (0.29 s and 0.017 s on two cores, for 1024 x 576 positions of 64 channels): it was
    a fifth of the step of a tile.
    """
    inside = tf.slice(features, [0, top, left, 0], [-1, bottom - top, right - left, -1])
    return tf.ensure_shape(inside, [features.shape[0], None, None, features.shape[-1]])
