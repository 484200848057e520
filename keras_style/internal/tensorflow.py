"""TensorFlow and Keras, imported in this one place: after the environment was checked, and without their chatter."""

from keras_style.internal import environment, stderr

environment.check_backend()
with stderr.held_back():
    import keras
    import tensorflow as tf

    tf.constant(0)  # brings up the runtime, which has lines of its own
if not environment.chatter_wanted:
    tf.get_logger().setLevel("ERROR")

__all__ = ["keras", "tf"]
