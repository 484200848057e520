"""Serving over gRPC. Importing this package is light: TensorFlow is loaded when a name that needs it is used."""

from typing import TYPE_CHECKING

from keras_style import lazy

if TYPE_CHECKING:
    from keras_style.serving.server import Server

__all__ = ["Server"]

__getattr__, __dir__ = lazy.attributes(__name__, {"Server": "keras_style.serving.server"})
