"""A command's options, generated from the function it runs: names, types, defaults and docstring."""

import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Any

import typer

from keras_style.errors import InputError
from keras_style.internal import yaml_options


def chosen(function: Callable[..., Any], given: Mapping[str, Any], config_file: Path | None) -> dict[str, Any]:
    """What `function` is to be called with: the options of a YAML file, and over them those on the command line.

    Raises:
        InputError: an option is unknown or unfit.
    """
    known = yaml_options.options(function)
    written = {name: _read(name, value, known[name].annotation) for name, value in given.items() if _is_given(value)}
    from_file = yaml_options.load(function, config_file) if config_file else {}
    return {**from_file, **yaml_options.validate(function, written, "options")}


# From text to values


def _is_given(value: Any) -> bool:
    return value is not None and value != []  # Typer's word for a repeated option that is not there


def _read(name: str, value: Any, annotation: Any) -> Any:
    """What an option's text stands for: `a,b` is a list and `a=1,b=2` a mapping, where the option takes one."""
    kinds = yaml_options.alternatives(annotation)
    if isinstance(value, bool):
        return value
    if isinstance(value, list):  # masks
        read = [_read_one(name, text, kinds) for text in value]
        if len(read) > 1 and not _is_repeatable(kinds):
            raise InputError(f"{name} is given {len(read)} times; expected once, as REGION=FILE,REGION=FILE")
        return read if len(read) > 1 else read[0]
    return _read_one(name, value, kinds)


def _read_one(name: str, text: str, kinds: Mapping[Any, Any]) -> Any:
    if not kinds.keys() & {Sequence, Mapping}:
        return text
    if _are_files(kinds) and os.path.isfile(text):  # its name may have commas
        return text
    items = [item.strip() for item in text.split(",") if item.strip()]
    if Mapping in kinds and any("=" in item for item in items):
        pairs = [item.partition("=") for item in items]
        mapping = {key.strip(): value.strip() for key, _, value in pairs}
        if len(mapping) < len(items):
            raise InputError(f"{name} is {text!r}; expected each name once")
        if not all(equals for _, equals, _ in pairs):
            raise InputError(f"{name} is {text!r}; expected NAME=... of all, or of none")
        return mapping
    is_list = Sequence in kinds and ("," in text or not kinds.keys() & {int, str})
    return items if is_list else text


def _are_files(kinds: Mapping[Any, Any]) -> bool:
    return kinds.get(Mapping) is str


def _is_repeatable(kinds: Mapping[Any, Any]) -> bool:
    """Whether its list may hold for each style what the option takes for one."""
    return Mapping in yaml_options.alternatives(kinds.get(Sequence))


# From a signature and a docstring to options


def spelled_out(
    command: Callable[..., Any],
    function: Callable[..., Any],
    *,
    shared: Sequence[Callable[..., Any]] = (),
    explained: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    """`command`, whose `**rest` is spelled out for Typer.

    Args:
        command: takes its own options, and as `**rest` the text of all others.
        function: has an option for each parameter that text can express.
        shared: functions that `command` hands `**rest` to, and which take options of their own.
        explained: whose docstring explains the parameters, if not that of `function`.
    """
    own = [
        p.replace(kind=p.KEYWORD_ONLY)
        for each in (command, *shared)
        for p in inspect.signature(each).parameters.values()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    helps = _argument_helps(explained or function)
    generated = [_option(name, parameter, helps[name]) for name, parameter in yaml_options.options(function).items()]
    parameters = own + generated

    def generated_command(**arguments: Any) -> Any:
        return command(**arguments)

    generated_command.__doc__ = command.__doc__
    generated_command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    generated_command.__annotations__ = {p.name: p.annotation for p in parameters}
    return generated_command


def _option(name: str, parameter: inspect.Parameter, text: str) -> inspect.Parameter:
    kinds = yaml_options.alternatives(parameter.annotation)
    kind: Any = str | None
    spelled = f"--{name.replace('_', '-')}"
    names = [spelled]
    default = parameter.default
    if bool in kinds:
        kind = bool | None
        names = [f"{spelled}/--no-{spelled[2:]}"]
        default = None if default is None else f"{'' if default else 'no-'}{spelled[2:]}"
    elif _are_files(kinds):
        kind = list[str] | None
        names = [spelled, spelled.removesuffix("s")]
        text += " Repeat the option for each style." if _is_repeatable(kinds) else ""
    option = typer.Option(
        *names, help=text, metavar=_metavar(name, kinds), show_default=False if default is None else str(default)
    )
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])


_METAVARS = {"method": "NAME[=SHARE],...", "size": "SIDE|HEIGHT,WIDTH", "tile": "PIXELS|auto"}


def _metavar(name: str, kinds: Mapping[Any, Any]) -> str | None:
    if bool in kinds:
        return None
    if kinds.keys() <= {int, NoneType}:
        return "INTEGER"
    if kinds.keys() <= {float, NoneType}:
        return "NUMBER"
    if _are_files(kinds):
        return "[REGION=]FILE,..."
    if name.endswith("_layers"):
        return "LAYER[=WEIGHT],..."
    if Sequence in kinds and name not in _METAVARS:
        return "NUMBER[,NUMBER...]" if int in kinds else "NUMBER,..."
    return _METAVARS.get(name, "TEXT")


def _argument_helps(function: Callable[..., Any]) -> dict[str, str]:
    """The Args of a docstring: `{name: text}`."""
    arguments = inspect.cleandoc(function.__doc__ or "").partition("\nArgs:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", arguments, re.MULTILINE)
    return {name: " ".join(text.split())[:1].upper() + " ".join(text.split())[1:] for name, text in found}
