"""Options written as text: names, types and defaults are those of the function that they are for."""

import builtins
import functools
import inspect
import operator
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Strict, ValidationError, create_model

from keras_style import checks
from keras_style.errors import InputError, MissingFileError
from keras_style.internal import parsing
from keras_style.internal.paths import user_path


def options(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of `function` that are options and that text can express, annotated with what text can say.

    Positional parameters are no options if they have no default, or if Python can pass more than text: those are
    pictures, which a command takes as arguments.
    """
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        annotation = _resolved(parameter.annotation, inspect.unwrap(function))
        kind = _as_text(annotation)
        has_default = parameter.default is not parameter.empty
        said_by_text = all(_as_text(each) is not None for each in _members(annotation))
        if kind is not None and (parameter.kind is parameter.KEYWORD_ONLY or (has_default and said_by_text)):
            found[name] = parameter.replace(annotation=kind)
    return found


class _Names(dict[str, Any]):
    """Names of a module; one that is imported for type checkers only stands for a class that text cannot express."""

    def __missing__(self, name: str) -> type:
        return type(name, (), {})


def _resolved(annotation: Any, function: Callable[..., Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    return eval(annotation, {}, _Names({**vars(builtins), **vars(sys.modules[function.__module__])}))


def _as_text(kind: Any) -> Any:
    """Part of an annotation that text can express; None if there is none.

    A path is text, so a file stands for a picture; arrays, functions and other objects only Python can pass.
    """
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        kinds = [each for each in map(_as_text, inside) if each is not None]
        return functools.reduce(operator.or_, kinds) if {*kinds} - {NoneType} else None
    if kind in (int, float, bool, NoneType) or origin is Literal:
        return kind
    of_class = origin or kind
    if of_class is str or (isinstance(of_class, type) and issubclass(of_class, os.PathLike)):
        return str
    if of_class in (Sequence, list, tuple, Mapping):
        value = _as_text(inside[-1])
        if value is None:
            return None
        return Mapping[str, value] if of_class is Mapping else Sequence[value]  # type: ignore[valid-type]
    return None


def alternatives(annotation: Any) -> dict[Any, Any]:
    """Types that an annotation allows, with the type of their items: `{int: None, Sequence: int}`."""
    return {get_origin(kind) or kind: get_args(kind)[-1] if get_args(kind) else None for kind in _members(annotation)}


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


@functools.cache
def model(function: Callable[..., Any]) -> type[BaseModel]:
    """A pydantic model of the options of `function`; unknown names are refused."""
    fields: dict[str, Any] = {}
    for name, parameter in options(function).items():
        kind = parameter.annotation
        # Otherwise 1, "on" and "f" are truth values too. The function itself refuses a call without what it requires.
        default = None if parameter.default is parameter.empty else parameter.default
        fields[name] = (Annotated[kind, Strict()] if bool in alternatives(kind) else kind, default)
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
    """Read a YAML file as a mapping; an empty file gives an empty one.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not YAML as `parsing.from_yaml` takes it, or not a mapping with names as keys.
    """
    try:
        given = parsing.read_yaml(user_path(path))
    except FileNotFoundError:
        raise MissingFileError(f"config: no such file: {path}") from None
    except (OSError, ValueError) as error:
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
            unknown.append(checks.shown(name))
        else:
            unfit.setdefault(name, f"{name} is {checks.shown(problem['input'])}: {problem['msg'].lower()}")
    said = [f"unknown {checks.listed(unknown)}; expected some of {', '.join(options(function))}"] if unknown else []
    return "; ".join([*said, *unfit.values()])
