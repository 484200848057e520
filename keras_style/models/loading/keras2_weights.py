"""Weights out of the three kinds of file that Keras 2 wrote, into the layers that took the place of the old ones."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from keras_style.errors import WeightsError
from keras_style.internal.tensorflow import keras, tf
from keras_style.models.loading.keras2_graph import Part, describe, one_line

# The same weight under two names: here, and in the InstanceNormalization of TensorFlow's tutorial.
TUTORIAL_NAMES = {"gamma": "scale", "beta": "offset"}
# Names that mean one thing in every program.
CONVENTIONAL_NAMES = {"kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"}


def read_lists(group: Any, part: Part, prefix: str | None = None) -> None:
    """Read the older HDF5 layout: a list of arrays for each layer of the model, in order.

    Args:
        group: the HDF5 group with the attribute `layer_names`.
        part: the model that takes them.
        prefix: a layer of the file, itself a model, to be read in place of the whole.

    Raises:
        WeightsError: other counts, shapes or names of weights.
    """
    names = _names(group, "layer_names")
    if prefix:
        if prefix not in names:
            raise WeightsError(f"no layer {prefix!r}; the file has {', '.join(names)}")
        _assign(prefix, group[prefix], part)
        return
    names = [name for name in names if len(_names(group[name], "weight_names"))]
    takers = [inner for inner in _inside(part) if inner.layer.weights]
    if len(names) != len(takers):
        raise WeightsError(f"{len(names)} layers with weights ({_few(names)}); the model has {len(takers)}")
    for name, taker in zip(names, takers, strict=True):
        _assign(name, group[name], taker)


def _names(group: Any, attribute: str) -> list[str]:
    """An attribute's names; HDF5 holds 64 kB in one, and longer lists are cut into attribute0, attribute1, ..."""
    pieces = [group.attrs[attribute]] if attribute in group.attrs else []
    while f"{attribute}{len(pieces)}" in group.attrs:
        pieces.append(group.attrs[f"{attribute}{len(pieces)}"])
    return [name.decode() if isinstance(name, bytes) else str(name) for piece in pieces for name in piece]


def _assign(name: str, group: Any, part: Part) -> None:
    leaves = list(_leaves(part))  # trainable ones come first, over all layers of a nested model
    variables = [weight for leaf in leaves for weight in leaf.trainable_weights]
    variables += [weight for leaf in leaves for weight in leaf.non_trainable_weights]
    weights = _names(group, "weight_names")
    if len(weights) != len(variables):
        raise WeightsError(f"layer {name}: {len(weights)} weights; {part.layer.name} of the model has {len(variables)}")
    for weight, variable in zip(weights, variables, strict=True):
        array, label = group[weight], weight.split("/")[-1].split(":")[0]
        # Names too: a layer frozen in one program and not in the other stands elsewhere, often with an equal shape.
        other = label != variable.name and {label, variable.name} <= CONVENTIONAL_NAMES
        if array.shape != tuple(variable.shape) or other:
            raise WeightsError(
                f"{weight} has the shape {array.shape}; {variable.path} of the model is {variable.name} of shape "
                f"{tuple(variable.shape)}"
            )
        variable.assign(array[()])


def _leaves(part: Part) -> Iterator[Any]:
    if part.parts is None:
        yield part.layer
    for inner in part.parts or ():
        yield from _leaves(inner)


def _inside(part: Part) -> list[Part]:
    """The parts of a model, or those in the attributes of another layer."""
    return part.parts if part.parts is not None else [inner for _, inner in _attributes(part)]


def read_groups(group: Any, part: Part) -> None:
    """Read the newer HDF5 layout of `.keras` and `.weights.h5` files: groups named after the layers' classes.

    Args:
        group: the HDF5 group of the model.
        part: the model that takes them.

    Raises:
        WeightsError: a layer that is missing in the file, or other counts or shapes of weights.
    """
    if part.parts is None:
        own = {key: array[()] for key, array in group["vars"].items()} if "vars" in group else {}
        try:
            part.layer.load_own_variables(own)
        except ValueError as error:
            raise WeightsError(f"{group.name}: {one_line(error)}") from error
        for name, inner in _attributes(part):
            if inner.kind == "list":
                _read_list(_group(group, name), inner.parts or [])
            elif inner.layer.weights:
                read_groups(_group(group, name), inner)
    else:
        # Keras 2.12 listed a layer with weights twice, under its number among all and among those, and counted both.
        older = "_layer_checkpoint_dependencies"
        _read_list(_group(group, older if older in group else "layers"), part.parts, 2 if older in group else 1)


def _read_list(group: Any, parts: list[Part], times: int = 1) -> None:
    seen: Counter[str] = Counter()
    read = set()
    for part in parts:
        name = _snake_case(part.kind)
        number = seen[name]
        seen[name] += times if part.layer.weights else 1
        name += f"_{number}" if number else ""
        if part.layer.weights:
            read_groups(_group(group, name), part)
            read.add(name)
    left = [name for name in group if name not in read and _has_arrays(group[name])]
    if left:
        raise WeightsError(f"{group.name} has weights of {_few(left)}, for which the model has no layer")


def _has_arrays(group: Any) -> bool:
    return group.visititems(lambda _, item: True if hasattr(item, "shape") else None) is not None


def _group(parent: Any, name: str) -> Any:
    if name not in parent:
        there = [inner for inner in parent if _has_arrays(parent[inner])]
        raise WeightsError(f"{parent.name} has weights of {_few(there) or 'nothing'}; the model needs {name}")
    return parent[name]


def _snake_case(name: str) -> str:
    """Keras's own rule: Conv2DTranspose is conv2d_transpose."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _attributes(part: Part) -> Iterator[tuple[str, Part]]:
    """The layers in a layer's attributes; a list of layers counts as one part."""
    for name, value in vars(part.layer).items():
        if name.startswith("_"):  # Keras's own
            continue
        if isinstance(value, keras.Layer):
            yield name, describe(value)
        elif isinstance(value, list) and value and all(isinstance(inner, keras.Layer) for inner in value):
            yield name, Part("list", part.layer, [describe(inner) for inner in value])


def read_checkpoint(prefix: str, part: Part, name: str | None = None) -> None:
    """Read a TensorFlow checkpoint, which is a graph of objects.

    Args:
        prefix: the path without `.index`.
        part: the model that takes the weights.
        name: which object of the checkpoint it was, as in "gen_G"; None if the model itself was saved.

    Raises:
        WeightsError: weights that are missing in the checkpoint, or other shapes.
    """
    objects = _trackable(part)
    for step in reversed(name.split("/") if name else []):
        objects = tf.train.Checkpoint(**{step: objects})
    try:
        keys = [key for key, _ in tf.train.list_variables(prefix) if key.endswith("VARIABLE_VALUE")]
        weights = [key for key in keys if ".OPTIMIZER_SLOT" not in key]
        objects.read(prefix).assert_existing_objects_matched()
    except AssertionError as error:  # its own text is pages of values
        tops = list(dict.fromkeys(key.split("/")[0] for key in weights if not key.startswith("optimizer/")))
        raise WeightsError(
            f"weights of {part.layer.name} are not in the checkpoint{f' under {name}' if name else ''}, which has "
            f"{_few(tops)}; expected the same architecture, and prefix= where it holds several networks"
        ) from error
    except (ValueError, tf.errors.OpError) as error:
        raise WeightsError(one_line(error)) from error
    # A model with fewer layers would find all that it asks for.
    theirs = sum(key.startswith(f"{name}/layer_with_weights-" if name else "layer_with_weights-") for key in weights)
    if theirs > len(part.layer.weights):
        raise WeightsError(f"{theirs} weights in the checkpoint, {len(part.layer.weights)} in the model")


def _trackable(part: Part) -> Any:
    """The names under which Keras 2 put weights into a checkpoint, as a tree."""
    if part.kind == "list":
        return tf.train.Checkpoint(**{str(number): _trackable(inner) for number, inner in enumerate(part.parts or [])})
    if part.parts is not None:
        weighty = [inner for inner in part.parts if inner.layer.weights]
        return tf.train.Checkpoint(
            **{f"layer_with_weights-{number}": _trackable(inner) for number, inner in enumerate(weighty)}
        )
    children = {name: _trackable(inner) for name, inner in _attributes(part)}
    nested = {id(weight) for _, inner in _attributes(part) for leaf in _leaves(inner) for weight in leaf.weights}
    for weight in part.layer.weights:
        if id(weight) not in nested:
            names = {weight.name, TUTORIAL_NAMES.get(weight.name, weight.name)}
            children |= dict.fromkeys(names, weight.value)
    return tf.train.Checkpoint(**children)


def _few(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
