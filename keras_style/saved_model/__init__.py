"""Trained models and optimization methods as files that other programs run: SavedModel, ONNX, LiteRT."""

from typing import TYPE_CHECKING

from keras_style import lazy

if TYPE_CHECKING:
    from keras_style.saved_model.export import export_saved_model
    from keras_style.saved_model.litert_file import export_litert
    from keras_style.saved_model.onnx_file import export_onnx
    from keras_style.saved_model.verification import Verification, verify

__all__ = ["Verification", "export_litert", "export_onnx", "export_saved_model", "verify"]

__getattr__, __dir__ = lazy.attributes(
    __name__,
    {
        "Verification": "keras_style.saved_model.verification",
        "export_litert": "keras_style.saved_model.litert_file",
        "export_onnx": "keras_style.saved_model.onnx_file",
        "export_saved_model": "keras_style.saved_model.export",
        "verify": "keras_style.saved_model.verification",
    },
)
