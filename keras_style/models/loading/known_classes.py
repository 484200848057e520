"""The classes that a file of Keras may name: those that compute, and neither read files nor run code of the file."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from keras_style.internal.tensorflow import keras

# Of keras.layers, those of networks of images. Not among them: StringLookup and its kin, which read a file that the
# configuration names; Lambda, TFSMLayer, TorchModuleWrapper and JaxLayer, which run code.
_COMPUTE = """
InputLayer Identity Activation ReLU LeakyReLU PReLU ELU Softmax Dense Flatten Reshape Permute RepeatVector
Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose DepthwiseConv1D DepthwiseConv2D
SeparableConv1D SeparableConv2D
MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D
GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D AdaptiveAveragePooling2D AdaptiveMaxPooling2D
UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D Cropping1D Cropping2D Cropping3D
Rescaling Resizing CenterCrop Normalization
BatchNormalization LayerNormalization GroupNormalization UnitNormalization RMSNormalization SpectralNormalization
Add Subtract Multiply Average Maximum Minimum Concatenate Dot
Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D AlphaDropout GaussianDropout GaussianNoise
ActivityRegularization Attention AdditiveAttention MultiHeadAttention GroupQueryAttention EinsumDense Embedding
TimeDistributed
"""
LAYERS = frozenset(_COMPUTE.split())
_MODELS = frozenset({"Functional", "Model", "Sequential"})
_VALUES = frozenset({"Policy", "__keras_tensor__", "__tensor__", "__tuple__", "__slice__", "__ellipsis__"})
# Whatever is in these only computes. Old files name a class without its module.
_PLAIN = ("initializers", "regularizers", "constraints", "dtype_policies", "losses", "metrics", "optimizers")


def unknown(config: Any, custom: Mapping[str, Any] = MappingProxyType({})) -> Iterator[str]:
    """Names of the classes and functions in a configuration that are not known, nor the program's own.

    Args:
        config: values as in JSON.
        custom: classes by their names that the program gives, beside those that it has registered with Keras.
    """
    names_class = isinstance(config, dict) and "class_name" in config
    if names_class and config["class_name"] not in custom and not _known(config):
        yield str(config.get("registered_name") or config["class_name"])
    inside = config.values() if isinstance(config, dict) else config if isinstance(config, list) else ()
    for inner in inside:
        yield from unknown(inner, custom)


def _known(entry: dict[str, Any]) -> bool:
    kind, module = entry["class_name"], entry.get("module")
    name = entry.get("config") if kind == "function" else kind
    if not isinstance(name, str) or not isinstance(module, str | None):
        return False
    if any(keras.saving.get_registered_object(each) for each in (name, entry.get("registered_name")) if each):
        return True
    if kind == "function":
        return module in ("builtins", "keras.activations")
    if kind == "__numpy__":  # as text of a gigabyte each, for example
        return np.dtype(entry["config"]["dtype"]).kind in "biuf"
    if kind in _VALUES:
        return True
    root, _, rest = (module or "keras.").partition(".")
    if root != "keras":
        return False
    if kind in _MODELS | LAYERS:
        return True
    rooms = [rest.partition(".")[0]] if rest else _PLAIN
    return rest.startswith("src.ops.") or any(room in _PLAIN and hasattr(getattr(keras, room), kind) for room in rooms)
