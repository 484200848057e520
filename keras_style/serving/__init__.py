"""Pictures over gRPC, by TensorFlow Serving's protocol: clients, and an embedded server.

Importing this package is light: TensorFlow is loaded when the server is used, and not at all for the clients.
"""

from typing import TYPE_CHECKING

from keras_style import lazy

if TYPE_CHECKING:
    from keras_style.serving.answer import StyledPicture
    from keras_style.serving.async_client import AsyncStyleClient
    from keras_style.serving.client import StyleClient
    from keras_style.serving.model_config import models_config
    from keras_style.serving.server import Server
    from keras_style.serving.tls import TLS

__all__ = ["TLS", "AsyncStyleClient", "Server", "StyleClient", "StyledPicture", "models_config"]

__getattr__, __dir__ = lazy.attributes(
    __name__,
    {
        "TLS": "keras_style.serving.tls",
        "AsyncStyleClient": "keras_style.serving.async_client",
        "Server": "keras_style.serving.server",
        "StyleClient": "keras_style.serving.client",
        "StyledPicture": "keras_style.serving.answer",
        "models_config": "keras_style.serving.model_config",
    },
)
