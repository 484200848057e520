"""TensorFlow and Keras, imported in this one place: after the environment was checked, and without their chatter."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from keras_style import environment


@contextmanager
def _quiet_while_loading() -> Iterator[None]:
    """Hold back what native code writes to standard error, unless loading fails or the user asked for it.

    TensorFlow logs some lines before its own log level takes effect, so no setting silences them.
    """
    if environment.chatter_wanted:
        yield
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(terminal, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)


environment.check_backend()
with _quiet_while_loading():
    import keras
    import tensorflow as tf

    tf.constant(0)  # brings up the runtime, which has lines of its own
if not environment.chatter_wanted:
    tf.get_logger().setLevel("ERROR")

__all__ = ["keras", "tf"]
