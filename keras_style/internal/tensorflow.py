"""TensorFlow and Keras, imported in this one place: after the environment was checked, and without their chatter."""

import os

from keras_style.internal import environment, stderr

environment.check_backend()
with stderr.without_logs():
    import keras
    import tensorflow as tf

    tf.constant(0)  # brings up the runtime, which has lines of its own
environment.tensorflow_runs_in = os.getpid()
if not environment.chatter_wanted:
    tf.get_logger().setLevel("ERROR")

__all__ = ["keras", "tf"]
