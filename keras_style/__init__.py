"""Style transfer for TensorFlow and Keras: paint a photograph in the manner of a painting.

Importing this package is light: TensorFlow is loaded when a name that needs it is used first.
"""

from typing import TYPE_CHECKING

from keras_style import environment, lazy
from keras_style.version import __version__

environment.prepare()

if TYPE_CHECKING:
    from keras_style import backbones, batch, data, layers, losses, models, saved_model, serving, training
    from keras_style.api import methods, transfer
    from keras_style.backbones import Backbone
    from keras_style.optimize.image_optimizer import ImageOptimizer
    from keras_style.optimize.iterate import Iterate
    from keras_style.optimize.objective import Objective, Term
    from keras_style.preset import presets
    from keras_style.result import TransferResult
    from keras_style.saved_model.export import export_saved_model
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
    "batch",
    "data",
    "export_saved_model",
    "layers",
    "losses",
    "methods",
    "models",
    "presets",
    "saved_model",
    "serving",
    "synthesize_texture",
    "training",
    "transfer",
]

__getattr__, __dir__ = lazy.attributes(
    __name__,
    {
        "Backbone": "keras_style.backbones",
        "ImageOptimizer": "keras_style.optimize.image_optimizer",
        "Iterate": "keras_style.optimize.iterate",
        "Objective": "keras_style.optimize.objective",
        "Stylizer": "keras_style.stylizer",
        "Term": "keras_style.optimize.objective",
        "TransferResult": "keras_style.result",
        "backbones": "keras_style.backbones",
        "batch": "keras_style.batch",
        "data": "keras_style.data",
        "export_saved_model": "keras_style.saved_model.export",
        "layers": "keras_style.layers",
        "losses": "keras_style.losses",
        "methods": "keras_style.api",
        "models": "keras_style.models",
        "presets": "keras_style.preset",
        "serving": "keras_style.serving",
        "saved_model": "keras_style.saved_model",
        "synthesize_texture": "keras_style.texture",
        "training": "keras_style.training",
        "transfer": "keras_style.api",
    },
)
