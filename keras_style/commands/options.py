"""Options of a command, generated from the functions it runs: names, types, defaults and docstrings."""

import copy
import inspect
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, TypeAlias, get_args

import typer

from keras_style.errors import InputError
from keras_style.internal import docstrings, yaml_options

# Options that several commands declare, since they are of the command and not of a function.
Quality: TypeAlias = Annotated[int, typer.Option(help="Quality of JPEG and WebP, 1 to 100.")]
ConfigFile: TypeAlias = Annotated[
    Path | None, typer.Option("--config", help="YAML file of options; those on the command line win.")
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", help="Print nothing but the last line.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_SHORT = {"output": "-o", "model": "-m", "directory": "-d", "server": "-s", "recursive": "-r"}
_METAVARS = {
    "method": "NAME[=SHARE],...",
    "tile": "PIXELS|auto",
    "balance": "gradient|TERM=THRESHOLD,...",
    "merge_regions": "REGION=REGION,...",
    "overrides": "KEY=VALUE",
    "style_loss": "NAME=NUMBER,...",
}


def of(
    *functions: Callable[..., Any],
    explained: Callable[..., Any] | None = None,
    spelled: Mapping[str, str] | None = None,
    without: Collection[str] = (),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator of a command, whose `**given` becomes an option for each option of the functions.

    The command declares what the functions do not have, and what is spelled as an argument; where it gives no help, the
    docstrings do.

    Args:
        functions: the functions; the command calls them with `chosen`.
        explained: whose docstring explains the parameters, if not those of the functions.
        spelled: other names of options, without dashes in front.
        without: names of parameters that are no options.
    """
    helps: dict[str, str] = {}
    for each in (explained,) if explained else functions:
        helps |= docstrings.arguments(each)

    def complete(command: Callable[..., Any]) -> Callable[..., Any]:
        declared = {
            name: each.replace(annotation=_with_help(each.annotation, helps.get(name, "")), kind=each.KEYWORD_ONLY)
            for name, each in inspect.signature(command).parameters.items()
            if each.kind is not each.VAR_KEYWORD
        }
        generated = {
            name: _option(parameter, helps.get(name, ""), (spelled or {}).get(name, name.replace("_", "-")))
            for function in functions
            for name, parameter in yaml_options.options(function).items()
            if name not in declared and name not in without
        }

        def run(**arguments: Any) -> Any:
            return command(**arguments)

        run.__signature__ = inspect.Signature([*declared.values(), *generated.values()])  # type: ignore[attr-defined]
        run.__annotations__ = {name: each.annotation for name, each in (declared | generated).items()}
        return run

    return complete


def _with_help(annotation: Any, text: str) -> Any:
    kind, info = get_args(annotation)
    if info.help is not None:
        return annotation
    info = copy.copy(info)
    info.help = _sentence(text)
    return Annotated[kind, info]


def _option(parameter: inspect.Parameter, text: str, spelled: str) -> inspect.Parameter:
    name, kinds, default = parameter.name, yaml_options.alternatives(parameter.annotation), parameter.default
    kind: Any = str | None
    names = [f"--{spelled}"]
    if bool in kinds:
        kind = bool | None
        names = [f"--{spelled}/--no-{spelled}"]
        default = None if default is None else f"{'' if default else 'no-'}{spelled}"
    elif _are_masks(kinds) or _is_list_of_text(kinds):
        kind = list[str] | None
        names.append(f"--{spelled.removesuffix('s')}")
        repeat = " Repeat the option for each style." if _is_per_style(kinds) else ""
        text += " Repeat the option for several." if _is_list_of_text(kinds) else repeat
    if name in _SHORT:
        names.append(_SHORT[name])
    required = default is parameter.empty
    shown = False if required or default is None or default == () else str(default)
    option = typer.Option(
        *dict.fromkeys(names), help=_sentence(text), metavar=_metavar(name, kinds), show_default=shown
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=parameter.empty if required else None,
        annotation=Annotated[str if required else kind, option],
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _metavar(name: str, kinds: Mapping[Any, Any]) -> str | None:
    if bool in kinds:
        return None
    if kinds.keys() <= {int, NoneType}:
        return "INTEGER"
    if kinds.keys() <= {float, NoneType}:
        return "NUMBER"
    if name in _METAVARS:
        return _METAVARS[name]
    if _are_masks(kinds):
        return "[REGION=]FILE,..."
    if float in kinds:
        return "NUMBER|REGION=NUMBER,..."
    if Mapping in kinds:
        return "LAYER[=WEIGHT],..."
    if Sequence in kinds and not _is_list_of_text(kinds):
        counted = "SIDE|HEIGHT,WIDTH" if name == "size" else "NUMBER[,NUMBER...]"
        return counted if int in kinds else "NUMBER,..."
    return "TEXT"


# From the text of options to the values of arguments


def chosen(function: Callable[..., Any], given: Mapping[str, Any], config_file: Path | None = None) -> dict[str, Any]:
    """The arguments for `function`: the options of a YAML file, and over them those on the command line.

    Raises:
        InputError: a value is unfit, or an option of the file is unknown.
    """
    known = yaml_options.options(function)
    written = {
        name: _read(name, given[name], parameter.annotation)
        for name, parameter in known.items()
        if given.get(name) not in (None, [])  # Typer's values of options that are not there
    }
    from_file = yaml_options.load(function, config_file) if config_file else {}
    if "size" in written and isinstance(from_file.get("scales"), list):
        del from_file["scales"]  # long sides up to the size of the file, which is another now
    return {**from_file, **yaml_options.validate(function, written, "options")}


def _read(name: str, value: Any, annotation: Any) -> Any:
    """The value of an option's text: `a,b` is a list and `a=1,b=2` a mapping, where the option takes one."""
    kinds = yaml_options.alternatives(annotation)
    if isinstance(value, bool) or _is_list_of_text(kinds):
        return value
    if isinstance(value, list):  # masks
        read = [_read_one(name, text, kinds) for text in value]
        if len(read) > 1 and not _is_per_style(kinds):
            raise InputError(f"{name} is given {len(read)} times; expected once, as REGION=FILE,REGION=FILE")
        return read if len(read) > 1 else read[0]
    return _read_one(name, value, kinds)


def _read_one(name: str, text: str, kinds: Mapping[Any, Any]) -> Any:
    if not kinds.keys() & {Sequence, Mapping}:
        return text
    if _are_masks(kinds) and os.path.isfile(text):  # its name may have commas
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


def _are_masks(kinds: Mapping[Any, Any]) -> bool:
    return kinds.get(Mapping) is str


def _is_per_style(kinds: Mapping[Any, Any]) -> bool:
    """Whether a list may hold, for each style, what the option takes for one."""
    return Mapping in yaml_options.alternatives(kinds.get(Sequence))


def _is_list_of_text(kinds: Mapping[Any, Any]) -> bool:
    return kinds.get(Sequence) is str and Mapping not in kinds
