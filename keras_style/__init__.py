"""Style transfer for TensorFlow and Keras: paint a photograph in the manner of a painting.

Importing this package is light: TensorFlow is loaded when a name that needs it is used first.
"""

from typing import TYPE_CHECKING, Any

from keras_style import environment
from keras_style.version import __version__

environment.prepare()

if TYPE_CHECKING:
    from keras_style import backbones, losses
    from keras_style.api import methods, transfer
    from keras_style.backbones import Backbone
    from keras_style.optimize.image_optimizer import ImageOptimizer
    from keras_style.optimize.iterate import Iterate
    from keras_style.optimize.objective import Objective, Term
    from keras_style.result import TransferResult
    from keras_style.stylizer import Stylizer
    from keras_style.texture import synthesize_texture

__all__ = [
    "Backbone",
    "ImageOptimizer",
    "Iterate",
    "Objective",
    "Stylizer",
    "Term",
    "TransferResult",
    "__version__",
    "backbones",
    "losses",
    "methods",
    "synthesize_texture",
    "transfer",
]

_HOMES = {
    "Backbone": "keras_style.backbones",
    "ImageOptimizer": "keras_style.optimize.image_optimizer",
    "Iterate": "keras_style.optimize.iterate",
    "Objective": "keras_style.optimize.objective",
    "Stylizer": "keras_style.stylizer",
    "Term": "keras_style.optimize.objective",
    "TransferResult": "keras_style.result",
    "methods": "keras_style.api",
    "synthesize_texture": "keras_style.texture",
    "transfer": "keras_style.api",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in __all__:
        value = importlib.import_module(f"keras_style.{name}")
    else:
        raise AttributeError(f"module 'keras_style' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
