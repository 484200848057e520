"""Clients of TensorFlow Serving that send pictures over gRPC. Nothing here imports TensorFlow."""

from typing import TYPE_CHECKING

from keras_style.internal import lazy_names

if TYPE_CHECKING:
    from keras_style.serving.answer import StyledPicture
    from keras_style.serving.async_client import AsyncStyleClient
    from keras_style.serving.client import StyleClient
    from keras_style.serving.model_config import models_config
    from keras_style.serving.tls import TLS

__all__ = ["TLS", "AsyncStyleClient", "StyleClient", "StyledPicture", "models_config"]

__getattr__, __dir__ = lazy_names.attributes(
    __name__,
    {
        "TLS": "keras_style.serving.tls",
        "AsyncStyleClient": "keras_style.serving.async_client",
        "StyleClient": "keras_style.serving.client",
        "StyledPicture": "keras_style.serving.answer",
        "models_config": "keras_style.serving.model_config",
    },
)
