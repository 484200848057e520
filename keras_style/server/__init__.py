"""An embedded server for development that speaks TensorFlow Serving's gRPC protocol.

Messages, codes and the order of checks are TensorFlow Serving's. Reference: tensorflow/serving 9d981c5c (2026-07-30);
each module names the source file that it follows.
"""

from typing import TYPE_CHECKING

from keras_style.internal import lazy_names

if TYPE_CHECKING:
    from keras_style.server.server import Server

__all__ = ["Server"]

__getattr__, __dir__ = lazy_names.attributes(__name__, {"Server": "keras_style.server.server"})
