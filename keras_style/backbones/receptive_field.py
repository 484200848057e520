"""Receptive fields of Keras layers, read from the graph of the model."""

from dataclasses import dataclass
from typing import Any

from keras_style.internal.tensorflow import keras

_L = keras.layers
_CONVOLUTIONS = (_L.Conv2D, _L.DepthwiseConv2D, _L.SeparableConv2D)
_POOLINGS = (_L.MaxPooling2D, _L.AveragePooling2D)
# In inference; those with an axis must have that of the channels.
_POINTWISE = (
    *(_L.Activation, _L.ReLU, _L.LeakyReLU, _L.PReLU, _L.ELU, _L.Softmax),
    *(_L.BatchNormalization, _L.LayerNormalization, _L.UnitNormalization, _L.Normalization),
    *(_L.Dropout, _L.SpatialDropout2D, _L.AlphaDropout, _L.GaussianDropout, _L.GaussianNoise),
    *(_L.Dense, _L.Rescaling, _L.Identity, _L.ActivityRegularization),
)
_MERGES = (_L.Add, _L.Subtract, _L.Multiply, _L.Average, _L.Maximum, _L.Minimum, _L.Concatenate)
# Operators and functions of `keras.ops` between layers.
_OPERATIONS = {
    *("Abs", "Add", "Divide", "Exp", "Maximum", "Minimum", "Multiply", "Negative", "Sqrt", "Square", "Subtract"),
    *("Elu", "Gelu", "HardSigmoid", "HardSilu", "LeakyRelu", "Relu", "Relu6", "Selu", "Sigmoid", "Silu", "Softplus"),
    *("Tanh", "TrueDivide"),
}


@dataclass(frozen=True)
class Field:
    """A receptive field along one side: position p sees the pixels p * stride - before to p * stride + after."""

    stride: int = 1
    before: int = 0
    after: int = 0

    def then(self, other: "Field") -> "Field":
        """The field of a next layer, `other`, which is given in positions of this one."""
        return Field(
            self.stride * other.stride,
            self.before + self.stride * other.before,
            self.after + self.stride * other.after,
        )

    @property
    def reach(self) -> int:
        """Pixels seen beyond the `stride` own ones, to the side where there are more."""
        return max(self.before, self.after - self.stride + 1)

    @property
    def offset(self) -> int:
        """Pixels from p * stride to the first of the `stride` ones in the middle of the field."""
        return int((self.after - self.before - self.stride + 1) / 2)


Fields = tuple[Field, Field]  # along rows and columns
_SELF: Fields = (Field(), Field())


def fields(tensor: Any) -> Fields | str:
    """The fields of a model's `KerasTensor`, or the name of a layer that sees all of the image or is not known."""
    seen: dict[int, Fields | str] = {}
    waiting = [tensor]
    while waiting:  # no recursion: networks have hundreds of layers
        operation, node, index = waiting[-1]._keras_history
        inputs = operation._inbound_nodes[node].input_tensors
        if missing := [each for each in inputs if id(each) not in seen]:
            waiting += missing
        else:
            done = waiting.pop()
            seen[id(done)] = _through(operation, index, [seen[id(each)] for each in inputs])
    return seen[id(tensor)]


def _through(operation: Any, index: int, inputs: list[Fields | str]) -> Fields | str:
    if not inputs:
        return _SELF
    met = _merged(operation.name, inputs)
    own = _own(operation, index, len(inputs))
    if isinstance(met, str):
        return met
    if isinstance(own, str):
        return own
    rows, columns = (before.then(after) for before, after in zip(met, own, strict=True))
    return rows, columns


def _merged(name: str, inputs: list[Fields | str]) -> Fields | str:
    known: list[Fields] = []
    for each in inputs:
        if isinstance(each, str):
            return each
        known.append(each)
    sides = []
    for of_each in zip(*known, strict=True):
        if len({field.stride for field in of_each}) > 1:
            return name
        sides.append(
            Field(of_each[0].stride, max(each.before for each in of_each), max(each.after for each in of_each))
        )
    return sides[0], sides[1]


def _own(layer: Any, index: int, inputs: int) -> Fields | str:
    """The fields of a single layer in positions of its inputs, or its name if exactly its class is not known."""
    kind = type(layer)
    if getattr(layer, "data_format", "channels_last") != "channels_last" or not _is_pointwise(layer):
        return layer.name
    if kind in _CONVOLUTIONS:
        return _windows(layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)
    if kind in _POOLINGS:
        return _windows(layer.pool_size, layer.strides, (1, 1), layer.padding)
    if kind in (_L.ZeroPadding2D, _L.Cropping2D):
        (top, _), (left, _) = layer.padding if kind is _L.ZeroPadding2D else layer.cropping
        sign = 1 if kind is _L.ZeroPadding2D else -1
        return Field(1, sign * top, -sign * top), Field(1, sign * left, -sign * left)
    if isinstance(layer, keras.Model) and inputs == 1 and getattr(layer, "outputs", None):
        return fields(layer.outputs[index])
    if kind in _POINTWISE or kind in _MERGES:
        return _SELF
    if kind.__module__.startswith("keras.src.ops.") and kind.__name__ in _OPERATIONS:
        return _SELF
    return layer.name


def _is_pointwise(layer: Any) -> bool:
    """Whether a layer's activation, and the axis that it treats, leave positions apart."""
    axis = getattr(layer, "axis", None)
    axes = set(axis) if isinstance(axis, list | tuple) else {axis}
    if not axes <= {None, -1, 3}:
        return False
    activation = getattr(layer, "activation", None)
    known = getattr(activation, "__module__", "keras.").startswith("keras.") or activation is None
    return known and (not isinstance(activation, _L.Layer) or type(activation) in _POINTWISE)


def _windows(size: Any, strides: Any, dilation: Any, padding: str) -> Fields:
    rows, columns = (_window(*each, padding) for each in zip(size, strides, dilation, strict=True))
    return rows, columns


def _window(size: int, stride: int, dilation: int, padding: str) -> Field:
    length = (size - 1) * dilation + 1
    if padding == "valid":
        return Field(stride, 0, length - 1)
    # TensorFlow's padding before the first position depends on the size of the image.
    totals = [max((-(-side // stride) - 1) * stride + length - side, 0) for side in range(1, stride + 1)]
    return Field(stride, max(totals) // 2, length - 1 - min(totals) // 2)
