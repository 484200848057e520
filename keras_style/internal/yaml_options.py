"""Options of a command from a YAML file: names, types and defaults are those of the function it runs."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Strict, ValidationError, create_model

from keras_style.errors import InputError, MissingFileError

# A file can name what Python can also pass as an object.
_MASKS = str | Mapping[str, str] | Sequence[str]
_WRITTEN_AS: dict[str, Any] = {
    "optimizer": str | None,
    "init": str | None,
    "content_masks": _MASKS | None,
    "style_masks": str | Mapping[str, str] | Sequence[_MASKS] | None,
    "backbone": str | None,
    "model": str | None,
    "checkpoint": str | None,
}
_NO_OPTIONS = {"style", "callbacks"}  # an argument of the command, and what only Python can say


def options(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of `function` that have a default and that text can express, annotated with what it can say."""
    parameters = inspect.signature(function).parameters.values()
    return {
        p.name: p.replace(annotation=_WRITTEN_AS.get(p.name, p.annotation))
        for p in parameters
        if p.default is not p.empty and p.name not in _NO_OPTIONS
    }


def alternatives(annotation: Any) -> dict[Any, Any]:
    """What an annotation allows: `{type: what is in it}`, such as `{int: None, Sequence: int}`."""
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return {get_origin(kind) or kind: get_args(kind)[-1] if get_args(kind) else None for kind in kinds}


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which refuses a key that is given twice instead of taking the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        repeated = next((key for index, key in enumerate(keys) if key in keys[:index]), None)
        if repeated is not None:
            raise yaml.YAMLError(f"{repeated} is given twice")
        return super().construct_mapping(node, deep)


@cache
def model(function: Callable[..., Any]) -> type[BaseModel]:
    """A pydantic model of the options of `function`; unknown names are refused."""
    fields: dict[str, Any] = {}
    for name, parameter in options(function).items():
        kind = parameter.annotation
        # Otherwise 1, "on" and "f" are truth values too.
        fields[name] = (Annotated[kind, Strict()] if bool in alternatives(kind) else kind, parameter.default)
    return create_model(f"{function.__name__}_options", __config__=ConfigDict(extra="forbid"), **fields)


def validate(function: Callable[..., Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The options in `given`, and only those, converted to the types that `function` takes.

    Raises:
        InputError: unknown names or unfit values, all of them in one line that starts with `where`.
    """
    for name, parameter in options(function).items():
        truth = None if bool in alternatives(parameter.annotation) else _truth_in(given.get(name))
        if truth is not None:  # YAML reads yes, no, on and off so; pydantic would count them as 1 and 0
            raise InputError(f"{where}: {name} is {truth}: expected a number or text, not a truth value")
    try:
        return model(function)(**given).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise InputError(f"{where}: {_one_line(error, function)}") from None


def _truth_in(value: Any) -> bool | None:
    """The truth value that `value` is or holds."""
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return next((each for each in (value, *inside) if isinstance(each, bool)), None)


def load(function: Callable[..., Any], path: str | Path) -> dict[str, Any]:
    """The options of `function` written in a YAML file.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not YAML, not a mapping, or its options are unknown or unfit.
    """
    return validate(function, read(path), f"config: {path}")


def read(path: str | Path) -> dict[str, Any]:
    """What a YAML file holds, by its keys; empty if there is nothing in it.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not YAML, or not a mapping with names as keys.
    """
    try:
        given = yaml.load(Path(path).read_text("utf-8"), _Loader)
    except FileNotFoundError:
        raise MissingFileError(f"config: no such file: {path}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"config: {path} cannot be read as YAML: {' '.join(str(error).split())}") from None
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
        raise InputError(f"config: {path} holds a {type(given).__name__}; expected option: value, line by line")
    return given


def _one_line(error: ValidationError, function: Callable[..., Any]) -> str:
    unknown: list[str] = []
    unfit: dict[str, str] = {}
    for problem in sorted(error.errors(include_url=False), key=lambda problem: -len(problem["loc"])):  # deepest first
        name = str(problem["loc"][0])
        if problem["type"] == "extra_forbidden":
            unknown.append(repr(name))
        else:
            unfit.setdefault(name, f"{name} is {problem['input']!r}: {problem['msg'].lower()}")
    said = [f"unknown {', '.join(unknown)}; expected some of {', '.join(options(function))}"] if unknown else []
    return "; ".join([*said, *unfit.values()])
