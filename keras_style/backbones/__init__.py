"""Backbones: frozen networks that turn images into feature maps."""

from typing import TYPE_CHECKING

from keras_style.internal import lazy_names

if TYPE_CHECKING:
    from keras_style.backbones.vgg import IMAGE, Backbone, get

__all__ = ["IMAGE", "Backbone", "get"]

__getattr__, __dir__ = lazy_names.attributes(__name__, dict.fromkeys(__all__, "keras_style.backbones.vgg"))
