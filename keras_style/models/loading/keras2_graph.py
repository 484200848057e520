"""The layers and calls that a Keras 2 configuration describes, made anew with Keras 3 and this library."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from keras_style import checks
from keras_style.errors import InputError
from keras_style.internal.tensorflow import keras
from keras_style.layers import BilinearUpSampling2D, InstanceNormalization, ReflectionPadding2D
from keras_style.models.loading import known_classes

Config = dict[str, Any]


@dataclass
class Part:
    """A layer, and what it was in the old program: files name and order weights by that.

    Args:
        kind: the name that its class had.
        layer: the layer of today.
        parts: of a functional or sequential model, in the order in which it listed its layers; None for other layers.
    """

    kind: str
    layer: Any
    parts: "list[Part] | None" = None


def describe(layer: Any) -> Part:
    """A Keras 3 layer or model, as a part of an old program of the same structure."""
    if isinstance(layer, keras.Sequential):
        return Part("Sequential", layer, [describe(inner) for inner in layer.layers])
    if hasattr(layer, "operations"):  # a functional model; Keras has no public name of the class
        return Part("Functional", layer, [describe(inner) for inner in layer.layers])
    return Part(type(layer).__name__, layer)


def build(entry: Config, custom: Mapping[str, Any]) -> Part:
    """The model of a Keras 2 configuration, without its weights.

    Args:
        entry: `{"class_name": ..., "config": ...}` as whole-model files hold it.
        custom: Keras 3 classes by the names of the old ones; they come before what is known here.

    Raises:
        InputError: layers that are not known, all of them in one message, or that Keras 3 refuses.
    """
    unknown = list(dict.fromkeys(_unknown(entry, custom)))
    if unknown:
        raise InputError(
            f"no Keras 3 layer is known for {checks.listed(unknown)}; pass custom_objects={{name: Keras 3 class}}, or "
            "the rebuilt architecture as model= (Python code inside a file is never run)"
        )
    with keras.saving.custom_object_scope(dict(custom)):
        return _part(entry, custom)


def _unknown(entry: Config, custom: Mapping[str, Any]) -> Iterator[str]:
    """Layers and functions without a counterpart, as text for the message."""
    if _is_model(entry):
        for inner in entry["config"]["layers"]:
            yield from _unknown(inner, custom)
    elif entry["class_name"] == "TFOpLambda":
        if entry["config"]["function"] not in FUNCTIONS:
            yield f"the function tf.{entry['config']['function']}"
    elif _maker(entry, custom) is None:
        yield _full_name(entry)
    else:
        inside = f"inside {entry['config'].get('name', entry['class_name'])}"
        yield from (f"{name} {inside}" for name in known_classes.unknown(entry["config"], custom))


def _is_model(entry: Config) -> bool:
    inner = entry["config"].get("layers")  # of an own layer it may be a number
    return isinstance(inner, list) and all(isinstance(each, dict) and "config" in each for each in inner)


def _full_name(entry: Config) -> str:
    """The class, with its package if it was registered under one, as in "Addons>InstanceNormalization"."""
    registered = entry.get("registered_name") or ""
    return registered if ">" in registered else entry["class_name"]


def _maker(entry: Config, custom: Mapping[str, Any]) -> Callable[[Config], Any] | None:
    """Function that makes the Keras 3 layer from the old configuration; None if there is none."""
    full = _full_name(entry)
    own = custom.get(full) or custom.get(full.split(">")[-1])
    if own is not None:
        return lambda config: own.from_config(config)
    if full == "InstanceNormalization" and set(entry["config"]) - {"name", "trainable", "dtype", "epsilon"}:
        return None  # not the tutorial's, but perhaps that of keras-contrib, which divides by (deviation + epsilon)
    if full in MAKERS:
        return MAKERS[full]
    foreign = "module" in entry and str(entry["module"]).split(".")[0] != "keras"
    return None if foreign or full not in known_classes.LAYERS else getattr(keras.layers, full).from_config


def _part(entry: Config, custom: Mapping[str, Any]) -> Part:
    config, kind = entry["config"], entry["class_name"].split(">")[-1]
    if not _is_model(entry):
        return Part(kind, _layer(entry, custom))
    parts = [_part(inner, custom) for inner in config["layers"]]
    if "input_layers" in config:
        return Part(kind, keras.Model(*_connect(config, parts), name=config["name"]), parts)
    layers = [part.layer for part in parts]
    if layers and not isinstance(layers[0], keras.layers.InputLayer):
        # Without an input layer the shape stands with the first layer or beside the layers.
        shape = config["layers"][0]["config"].get("batch_input_shape") or config.get("build_input_shape")
        layers = [keras.Input(batch_shape=shape), *layers] if shape else layers
    return Part(kind, keras.Sequential(layers, name=config["name"]), parts)


def _layer(entry: Config, custom: Mapping[str, Any]) -> Any:
    config = {key: _plain(value) for key, value in entry["config"].items()}
    name = config.get("name", entry["class_name"])
    if entry["class_name"] == "TFOpLambda":
        return FUNCTIONS[config["function"]]  # makes the layer when it is called, from the arguments of the call
    dtype = config.get("dtype")
    if isinstance(dtype, dict):  # a policy
        config["dtype"] = dtype["config"]["name"]
    if entry["class_name"] != "InputLayer":
        config.pop("batch_input_shape", None)
    maker = _maker(entry, custom)
    assert maker is not None  # `build` has refused the others
    try:
        return maker(config)
    except Exception as error:  # whatever the classes raise
        raise InputError(f"layer {name} ({_full_name(entry)}) cannot be made: {one_line(error)}") from error


def _plain(value: Any) -> Any:
    """Numbers and tuples that Keras 2.12 wrapped."""
    if isinstance(value, dict) and value.get("class_name") == "__numpy__":
        return value["config"]["value"]
    return tuple(value["items"]) if isinstance(value, dict) and value.get("class_name") == "__tuple__" else value


# ---------------------------------------------------------------------------------------------- calls


def _connect(config: Config, parts: list[Part]) -> tuple[Any, Any]:
    """Call the layers as the old graph did; its symbolic inputs and outputs."""
    names = [entry["name"] for entry in config["layers"]]
    calls = {entry["name"]: list(entry["inbound_nodes"]) for entry in config["layers"]}
    tensors: dict[tuple[str, int], Any] = {}
    # Keras 2 counts the calls of a nested model from 1, those of other layers from 0.
    count: dict[str, int] = {}
    for name, number in _references([calls, config["output_layers"]]):
        count[name] = min(number, count.get(name, number))
    for name, part in zip(names, parts, strict=True):
        if not calls[name]:
            tensors[name, count.get(name, 0)] = part.layer.output
    waiting = {name: part for name, part in zip(names, parts, strict=True) if calls[name]}
    while waiting:
        before = len(tensors)
        for name, part in list(waiting.items()):
            while calls[name] and all(reference in tensors for reference in _references(calls[name][0])):
                tensors[name, count.get(name, 0)] = _call(name, part, calls[name].pop(0), tensors)
                count[name] = count.get(name, 0) + 1
            if not calls[name]:
                del waiting[name]
        if len(tensors) == before:
            raise InputError(f"the graph of {config['name']} has no order: nothing leads to {', '.join(waiting)}")
    inputs, outputs = (_resolve(config[key], tensors) for key in ("input_layers", "output_layers"))
    return _alone(inputs), _alone(outputs)


def _is_reference(value: Any) -> bool:
    """[layer, number of the call, number of the output] or the same with the call's keyword arguments."""
    return isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str) and isinstance(value[1], int)


def _references(value: Any) -> Iterator[tuple[str, int]]:
    if _is_reference(value):
        if value[0] != "_CONSTANT_VALUE":
            yield value[0], value[1]
        value = value[3:]
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _references(inner)


def _resolve(value: Any, tensors: Mapping[tuple[str, int], Any]) -> Any:
    """`value` with tensors in place of references."""
    if _is_reference(value):
        if value[0] == "_CONSTANT_VALUE":
            return value[2]
        outputs = tensors[value[0], value[1]]
        return outputs[value[2]] if isinstance(outputs, list | tuple) else outputs
    if isinstance(value, dict):
        return {key: _resolve(inner, tensors) for key, inner in value.items()}
    return [_resolve(inner, tensors) for inner in value] if isinstance(value, list) else value


def _call(name: str, part: Part, node: Any, tensors: Mapping[tuple[str, int], Any]) -> Any:
    first = node if _is_reference(node) else node[0]
    options = _resolve(first[3] if len(first) > 3 else {}, tensors)
    inputs = _alone(_resolve(node, tensors))
    try:
        if part.kind == "TFOpLambda":
            part.layer, inputs = part.layer(inputs, **{**options, "name": name})
            options = {}
        return part.layer(inputs, **options)
    except Exception as error:  # as above: a custom layer may raise anything
        raise InputError(f"layer {name} ({part.kind}) cannot be called: {one_line(error)}") from error


def _alone(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


# ---------------------------------------------------------------------------------------------- classes


def _common(config: Config) -> Config:
    return {key: config[key] for key in ("name", "trainable", "dtype") if key in config}


def _tfa_instance_normalization(config: Config) -> Any:
    plain = config["axis"] in (-1, 3) and not any(
        config.get(f"{weight}_{kind}") for weight in ("beta", "gamma") for kind in ("regularizer", "constraint")
    )
    if not plain:  # the file's "groups" is the count of channels already
        return _tfa_group_normalization(config)
    options = {key: config[key] for key in ("epsilon", "center", "scale")}
    return InstanceNormalization(**options, **_common(config))


def _tfa_group_normalization(config: Config) -> Any:
    return keras.layers.GroupNormalization.from_config(config)


def _tutorial_instance_normalization(config: Config) -> Any:
    epsilon = config.get("epsilon", 1e-5)  # a default is not in the file
    return InstanceNormalization(epsilon, center=True, scale=True, **_common(config))


def _reflection_padding(config: Config) -> Any:
    padding = config.get("padding", (1, 1))  # a default is not in the file
    if isinstance(padding, list | tuple) and len({str(side) for side in padding}) > 1:
        raise InputError(
            f"padding is {checks.shown(padding)}, and programs differ in which of the two is the height; pass "
            "custom_objects={'ReflectionPadding2D': Keras 3 class}"
        )
    return ReflectionPadding2D(padding, **_common(config))


def _input(config: Config) -> Any:
    return keras.layers.InputLayer(
        batch_shape=config["batch_input_shape"], dtype=config.get("dtype"), name=config["name"]
    )


def _up_sampling(config: Config) -> Any:
    height, width = config["size"]
    if config["interpolation"] == "bilinear" and height == width and config["data_format"] == "channels_last":
        return BilinearUpSampling2D(height, **_common(config))  # Keras's fails where H or W is not known
    return keras.layers.UpSampling2D.from_config(config)


def _renamed(layer: str, old: str, new: str) -> Callable[[Config], Any]:
    def make(config: Config) -> Any:
        return getattr(keras.layers, layer).from_config({new if key == old else key: config[key] for key in config})

    return make


def _without_groups(layer: str) -> Callable[[Config], Any]:
    def make(config: Config) -> Any:
        if config.get("groups", 1) != 1:
            raise InputError(f"groups is {config['groups']}; Keras 3 has none here")
        return getattr(keras.layers, layer).from_config({key: config[key] for key in config if key != "groups"})

    return make


def _batch_normalization(config: Config) -> Any:
    (axis,) = config["axis"] if isinstance(config["axis"], list) else [config["axis"]]
    return keras.layers.BatchNormalization.from_config({**config, "axis": axis})


MAKERS: dict[str, Callable[[Config], Any]] = {
    "Addons>InstanceNormalization": _tfa_instance_normalization,
    "Addons>GroupNormalization": _tfa_group_normalization,
    "InstanceNormalization": _tutorial_instance_normalization,
    "ReflectionPadding2D": _reflection_padding,
    "InputLayer": _input,
    "UpSampling2D": _up_sampling,
    "BatchNormalization": _batch_normalization,
    "LeakyReLU": _renamed("LeakyReLU", "alpha", "negative_slope"),
    "Conv2DTranspose": _without_groups("Conv2DTranspose"),
    "DepthwiseConv2D": _without_groups("DepthwiseConv2D"),
}


# ---------------------------------------------------------------------------------------------- functions
# What Keras 2 wrote for TensorFlow functions in a functional model, as (layer, its inputs). Its names are not always
# those of the program: tf.pad is compat.v1.pad, an operator between tensors __operators__.add or math.multiply.


def _pad(x: Any, paddings: Any, name: str, mode: str = "CONSTANT", constant_values: Any = 0) -> tuple[Any, Any]:
    layers = {"REFLECT": ReflectionPadding2D, "CONSTANT": keras.layers.ZeroPadding2D}
    images = len(paddings) == 4 and not any([*paddings[0], *paddings[3]])
    if not images or mode not in layers or (mode == "CONSTANT" and constant_values != 0):
        raise InputError(f"tf.pad with {mode} and {paddings}; expected reflection or zeros, for height and width only")
    return layers[mode](tuple(tuple(pair) for pair in paddings[1:3]), name=name), x


def _activation(activation: str) -> Callable[..., tuple[Any, Any]]:
    return lambda x, name: (keras.layers.Activation(activation, name=name), x)


def _leaky_relu(features: Any, name: str, alpha: float = 0.2) -> tuple[Any, Any]:
    return keras.layers.LeakyReLU(alpha, name=name), features


def _concat(values: Any, name: str, axis: int) -> tuple[Any, Any]:
    return keras.layers.Concatenate(axis, name=name), values


def _arithmetic(
    layer: Any, after: Callable[[float], tuple[float, float]], before: Callable[[float], tuple[float, float]] | None
) -> Callable[..., tuple[Any, Any]]:
    """Maker of an operation: `layer` for two tensors; (scale, offset) for a tensor and a number after or before it."""

    def make(x: Any, y: Any, name: str) -> tuple[Any, Any]:
        tensors = [value for value in (x, y) if keras.backend.is_keras_tensor(value)]
        if len(tensors) == 2 and layer:
            return layer(name=name), tensors
        rule, number = (after, y) if keras.backend.is_keras_tensor(x) else (before, x)
        if rule is None or not isinstance(number, int | float):
            raise InputError("expected two tensors or a tensor and a number; nothing divides by a tensor")
        scale, offset = rule(number)
        return keras.layers.Rescaling(scale, offset, name=name), tensors[0]

    return make


_add = _arithmetic(keras.layers.Add, lambda number: (1.0, number), lambda number: (1.0, number))
_subtract = _arithmetic(keras.layers.Subtract, lambda number: (1.0, -number), lambda number: (-1.0, number))
_multiply = _arithmetic(keras.layers.Multiply, lambda number: (number, 0.0), lambda number: (number, 0.0))
_divide = _arithmetic(None, lambda number: (1.0 / number, 0.0), None)

FUNCTIONS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "compat.v1.pad": _pad,
    "nn.relu": _activation("relu"),
    "math.tanh": _activation("tanh"),
    "math.sigmoid": _activation("sigmoid"),
    "nn.leaky_relu": _leaky_relu,
    "concat": _concat,
    "__operators__.add": _add,
    "math.add": _add,
    "math.subtract": _subtract,
    "math.multiply": _multiply,
    "math.truediv": _divide,
}
