"""A backbone of any Keras model that gives feature maps."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from keras_style import checks
from keras_style.backbones.backbone import IMAGE, Backbone, Layer
from keras_style.backbones.receptive_field import fields
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras, tf

# Sides, in pixels, at which shapes of layers are measured: the second is larger by a multiple of all usual strides.
_SIDE = 1024
_MEASURED = (_SIDE, _SIDE + 2**7 * 3**2 * 5 * 7)
# Outputs that neither the network nor its gradient keeps. With those of activations left out, too, a MobileNetV2 at
# 1536 px took 5.3 GB and was estimated at 4.3.
_KEPT_BY_NONE = (keras.layers.InputLayer, keras.layers.BatchNormalization, keras.layers.Dropout)


def from_keras(
    model: Any,
    layers: Sequence[str] | Mapping[str, Any],
    *,
    preprocess: Callable[[tf.Tensor], tf.Tensor] | None = None,
) -> Backbone:
    """A backbone of a Keras model: a frozen copy of its weights, in inference.

    Methods compare style on all `layers`, and content on the deepest, where they would take layers of a VGG that this
    network lacks; `content_layers` and `style_layers` say otherwise. A method's weights of style layers fall with the
    number of times that the image was halved. Tiles are exact for networks of convolutions, pooling, zero padding,
    activations, normalization in inference, and sums, products and concatenations of those; with any other layer on the
    way, or one that sees the whole image, `tile` is refused.

    Args:
        model: a functional or Sequential `keras.Model` with one input (None, None, None, 3). Pictures smaller than a
            layer needs are refused when they come.
        layers: names of the layers of `model` to tap, or `{name of yours: layer or its name}`. Each gives feature maps
            (B, H', W', C), one position every `stride` pixels along both sides.
        preprocess: from RGB in [0, 255] to what the model takes, pixel by pixel, as the functions `preprocess_input` of
            `keras.applications` do; None: the model takes RGB in [0, 1].

    Returns:
        The backbone, as `backbone=` of `keras_style.transfer`, `synthesize_texture` and `Stylizer` takes it, and
        `export_saved_model` with that Stylizer.

    Raises:
        InputError: the model has no such input or layer, or a layer gives no such feature maps.

    Example:
        >>> import keras
        >>> network = keras.applications.MobileNetV2(input_shape=(None, None, 3), include_top=False, weights=None)
        >>> backbone = keras_style.backbones.from_keras(
        ...     network,
        ...     ["Conv1_relu", "block_2_add", "block_5_add"],
        ...     preprocess=keras.applications.mobilenet_v2.preprocess_input,
        ... )
        >>> [(layer.name, layer.channels, layer.stride) for layer in backbone.layers]
        [('Conv1_relu', 32, 2), ('block_2_add', 24, 4), ('block_5_add', 32, 8)]
        >>> keras_style.transfer("photo.jpg", "painting.png", backbone=backbone)
    """
    inputs = _inputs(model)
    tapped = _tensors(model, layers)
    try:
        whole = keras.Model(inputs, tapped)
    except ValueError as error:
        raise InputError(f"layers {', '.join(tapped)} are not of the graph of {model.name}: {error}") from None
    small, large = ({name: _shape(whole, side)[name] for name in tapped} for side in _MEASURED)
    order = {id(operation): number for number, operation in enumerate(whole.operations)}
    names = sorted(tapped, key=lambda name: order[id(tapped[name]._keras_history.operation)])
    records = tuple(_record(name, tapped[name], small[name], large[name]) for name in names)
    values = {id(variable): variable.numpy() for variable in whole.variables}
    return _KerasBackbone(model.name, records, inputs, tapped, values, preprocess)


@dataclass(frozen=True, eq=False)
class _KerasBackbone(Backbone):
    """A Keras model as a backbone.

    Attributes:
        inputs: of the model.
        tapped: the tensor of each layer.
        values: of each of the model's variables, by its id: arrays, which become constants of the graph, or tensors.
    """

    name: str
    layers: tuple[Layer, ...]
    inputs: Any = field(repr=False)
    tapped: Mapping[str, Any] = field(repr=False)
    values: Mapping[int, Any] = field(repr=False)
    preprocess: Callable[[tf.Tensor], tf.Tensor] | None = None
    _networks: dict[tuple[str, ...], Any] = field(default_factory=dict, init=False, repr=False)
    _shapes: dict[tuple[str, int, int], tuple[int, int]] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, images: tf.Tensor, layers: Iterable[str]) -> dict[str, tf.Tensor]:
        wanted = sorted(set(layers))
        self.check_layers(wanted)
        images = tf.convert_to_tensor(images)
        features = {IMAGE: images} if IMAGE in wanted else {}
        names = [name for name in wanted if name != IMAGE]
        if not names:
            return features
        if None not in images.shape[1:3]:
            for name in names:
                self.shape(name, *images.shape[1:3])  # refuses what is too small, where Keras would in other words
        network = self._network(names)
        x = images if self.preprocess is None else self.preprocess(images * 255.0)
        trained, others = (
            [_constant(self.values[id(variable)]) for variable in variables]
            for variables in (network.trainable_variables, network.non_trainable_variables)
        )
        maps, _ = network.stateless_call(trained, others, x, training=False)
        return features | {name: tf.cast(maps[name], images.dtype) for name in names}

    def shape(self, name: str, height: int, width: int) -> tuple[int, int]:
        if name == IMAGE:
            return height, width
        if (name, height, width) not in self._shapes:
            try:
                rows, columns = _shape(self._network([name]), height, width)[name][1:3]
            except ValueError:
                rows = columns = 0
            if min(rows, columns) < 1:
                raise InputError(
                    f"{self.name}: nothing is left of {width} x {height} pixels at layer {name}; expected a larger "
                    "picture or style, fewer scales, or another layer"
                )
            self._shapes[name, height, width] = rows, columns
        return self._shapes[name, height, width]

    def computed(self, names: Iterable[str]) -> Sequence[Layer]:
        wanted = [layer.name for layer in self.layers if layer.name in set(names)]
        if not wanted:
            return []
        tensors = {
            f"{number} {operation.name}": tensor
            for number, operation in enumerate(self._network(wanted).operations)
            if not isinstance(operation, _KEPT_BY_NONE)
            for tensor in operation._inbound_nodes[0].output_tensors
            if len(tensor.shape) == 4 and None in tensor.shape[1:3]
        }
        shapes = _shape(keras.Model(self.inputs, tensors), _SIDE)
        inner = [Layer(name, shape[3], max(1, round(_SIDE / shape[1])), None) for name, shape in shapes.items()]
        # The tapped ones by their own names, too, for what is kept of them.
        return [*inner, *(layer for layer in self.layers if layer.name in wanted)]

    def key(self) -> Hashable:
        return self

    def prepared(self, names: Iterable[str]) -> "_KerasBackbone":
        return replace(self, values={key: tf.constant(value) for key, value in self.values.items()})

    @property
    def arrays(self) -> Iterable[np.ndarray]:
        return self.values.values()

    def _network(self, names: Iterable[str]) -> Any:
        """The model up to the layers `names`."""
        key = tuple(names)
        if key not in self._networks:
            self._networks[key] = keras.Model(self.inputs, {name: self.tapped[name] for name in key})
        return self._networks[key]


def _constant(value: Any) -> tf.Tensor:
    # Not a bare constant, for the reason that VGG's convolutions give.
    return tf.identity(tf.constant(value)) if isinstance(value, np.ndarray) else value


def _inputs(model: Any) -> Any:
    if not isinstance(model, keras.Model):
        raise InputError(f"model is of type {type(model).__name__}; expected a keras.Model")
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise InputError(
            f"model {model.name} has no graph of layers; expected a functional or Sequential model with an Input"
        )
    shapes = [tuple(each.shape) for each in inputs]
    if len(shapes) != 1 or shapes[0][1:] != (None, None, 3):
        raise InputError(
            f"model {model.name} takes {', '.join(map(str, shapes))}; expected one input of (None, None, None, 3): "
            "images of any size, such as input_shape=(None, None, 3) gives"
        )
    return inputs[0]


def _tensors(model: Any, layers: Any) -> dict[str, Any]:
    """The output of each layer that is to be tapped, by the name that it is to have."""
    if not isinstance(layers, list | tuple | Mapping) or not layers:
        raise InputError(f"layers is {checks.shown(layers)}; expected a list of names of layers, or {{name: layer}}")
    known = {layer.name: layer for layer in model.layers}
    given = layers if isinstance(layers, Mapping) else {layer: layer for layer in layers}
    if len(given) < len(layers) or IMAGE in given:
        raise InputError(f"layers is {checks.shown(list(layers))}; expected each layer once, and none called {IMAGE!r}")
    found = {}
    for name, layer in given.items():
        layer = layer if isinstance(layer, keras.layers.Layer) else known.get(layer)
        if layer is None or not any(layer is each for each in model.layers):
            raise InputError(
                f"{model.name} has no layer {checks.shown(given[name])}; expected some of {checks.listed(known)}"
            )
        tensor = layer.output
        if isinstance(tensor, list | tuple | dict) or len(tensor.shape) != 4 or tensor.shape[1:3] != (None, None):
            raise InputError(f"layer {name} gives {getattr(tensor, 'shape', tensor)}; expected (B, H, W, channels)")
        found[str(name)] = tensor
    return found


def _shape(network: Any, height: int, width: int | None = None) -> dict[str, tuple[int, ...]]:
    images = keras.KerasTensor((1, height, width or height, 3))
    return {name: tuple(spec.shape) for name, spec in network.compute_output_spec(images).items()}


def _record(name: str, tensor: Any, small: tuple[int, ...], large: tuple[int, ...]) -> Layer:
    growth = [more - less for less, more in zip(small[1:3], large[1:3], strict=True)]
    strides = {(_MEASURED[1] - _MEASURED[0]) / each if each > 0 else 0 for each in growth}
    stride = strides.pop()
    if strides or stride < 1 or stride != int(stride):
        raise InputError(
            f"layer {name} has {small[1]} x {small[2]} positions for {_MEASURED[0]} x {_MEASURED[0]} pixels and "
            f"{large[1]} x {large[2]} for {_MEASURED[1]} x {_MEASURED[1]}; expected one every few pixels, alike "
            "along rows and columns"
        )
    seen = fields(tensor)
    if isinstance(seen, str):
        return Layer(name, large[3], int(stride), None, obstacle=seen)
    offset = seen[0].offset if seen[0] == seen[1] else 0
    return Layer(name, large[3], int(stride), max(each.reach for each in seen), offset)
