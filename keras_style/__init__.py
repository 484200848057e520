"""Style transfer for TensorFlow and Keras: paint a photograph in the manner of a painting.

Importing this package is light: TensorFlow is loaded when a name that needs it is used first.
"""

from typing import TYPE_CHECKING

from keras_style.internal import environment, lazy_names
from keras_style.version import __version__

environment.prepare()

if TYPE_CHECKING:
    from keras_style import backbones, batch, data, export, images, layers, losses, models, server, serving, training
    from keras_style.api import methods, transfer
    from keras_style.backbones.backbone import Backbone
    from keras_style.export.saved_model import export_saved_model
    from keras_style.models.loading.presets import presets
    from keras_style.optimize.image_optimizer import ImageOptimizer
    from keras_style.optimize.iterate import Iterate
    from keras_style.optimize.objective import Objective, Term
    from keras_style.painting.result import TransferResult
    from keras_style.painting.stylizer import Stylizer
    from keras_style.painting.texture import synthesize_texture

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
    "export",
    "export_saved_model",
    "images",
    "layers",
    "losses",
    "methods",
    "models",
    "presets",
    "server",
    "serving",
    "synthesize_texture",
    "training",
    "transfer",
]

__getattr__, __dir__ = lazy_names.attributes(
    __name__,
    {
        "Backbone": "keras_style.backbones.backbone",
        "ImageOptimizer": "keras_style.optimize.image_optimizer",
        "Iterate": "keras_style.optimize.iterate",
        "Objective": "keras_style.optimize.objective",
        "Stylizer": "keras_style.painting.stylizer",
        "Term": "keras_style.optimize.objective",
        "TransferResult": "keras_style.painting.result",
        "backbones": "keras_style.backbones",
        "batch": "keras_style.batch",
        "data": "keras_style.data",
        "export": "keras_style.export",
        "export_saved_model": "keras_style.export.saved_model",
        "images": "keras_style.images",
        "layers": "keras_style.layers",
        "losses": "keras_style.losses",
        "methods": "keras_style.api",
        "models": "keras_style.models",
        "presets": "keras_style.models.loading.presets",
        "serving": "keras_style.serving",
        "server": "keras_style.server",
        "synthesize_texture": "keras_style.painting.texture",
        "training": "keras_style.training",
        "transfer": "keras_style.api",
    },
)
