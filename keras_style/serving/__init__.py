"""A trained model behind a network port: clients of TensorFlow Serving's protocol."""

from typing import TYPE_CHECKING

from keras_style import lazy

if TYPE_CHECKING:
    from keras_style.serving.answer import StyledPicture
    from keras_style.serving.async_client import AsyncStyleClient
    from keras_style.serving.client import StyleClient
    from keras_style.serving.model_config import models_config
    from keras_style.serving.tls import TLS

__all__ = ["TLS", "AsyncStyleClient", "StyleClient", "StyledPicture", "models_config"]

__getattr__, __dir__ = lazy.attributes(
    __name__,
    {
        "TLS": "keras_style.serving.tls",
        "AsyncStyleClient": "keras_style.serving.async_client",
        "StyleClient": "keras_style.serving.client",
        "StyledPicture": "keras_style.serving.answer",
        "models_config": "keras_style.serving.model_config",
    },
)
