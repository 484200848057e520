"""Trained models and optimization methods as files that other programs run: SavedModel, ONNX, LiteRT."""

from typing import TYPE_CHECKING

from keras_style.internal import lazy_names

if TYPE_CHECKING:
    from keras_style.export.litert_file import export_litert
    from keras_style.export.onnx_file import export_onnx
    from keras_style.export.saved_model import export_saved_model
    from keras_style.export.verification import Verification, verify

__all__ = ["Verification", "export_litert", "export_onnx", "export_saved_model", "verify"]

__getattr__, __dir__ = lazy_names.attributes(
    __name__,
    {
        "Verification": "keras_style.export.verification",
        "export_litert": "keras_style.export.litert_file",
        "export_onnx": "keras_style.export.onnx_file",
        "export_saved_model": "keras_style.export.saved_model",
        "verify": "keras_style.export.verification",
    },
)
