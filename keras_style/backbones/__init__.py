"""Backbones: frozen networks that turn images into feature maps."""

from typing import TYPE_CHECKING

from keras_style.internal import lazy_names

if TYPE_CHECKING:
    from keras_style.backbones.backbone import IMAGE, Backbone, Layer
    from keras_style.backbones.keras_backbone import from_keras
    from keras_style.backbones.vgg import get

__all__ = ["IMAGE", "Backbone", "Layer", "from_keras", "get"]

__getattr__, __dir__ = lazy_names.attributes(
    __name__,
    {
        **dict.fromkeys(("IMAGE", "Backbone", "Layer"), "keras_style.backbones.backbone"),
        "from_keras": "keras_style.backbones.keras_backbone",
        "get": "keras_style.backbones.vgg",
    },
)
