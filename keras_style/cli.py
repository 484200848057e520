"""The command line, generated from the functions it runs: their names, defaults and docstrings."""

import functools
import inspect
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, NoneType
from typing import Annotated, Any

import typer

from keras_style import api, checks, config, images, recipes, texture
from keras_style.commands import models
from keras_style.commands.export import export
from keras_style.errors import InputError, StyleError
from keras_style.optimize.iterate import Iterate
from keras_style.result import TransferResult
from keras_style.version import __version__

app = typer.Typer(
    name="keras-style",
    help="Style transfer with TensorFlow and Keras.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line: status 2 and one line for a user's mistake."""
    try:
        status = app(standalone_mode=False)
    except typer.TyperException as error:
        status = _complain(error.format_message())
    except StyleError as error:
        status = _complain(str(error))
    except (KeyboardInterrupt, typer.Abort, _InterruptedAtOnceError):
        status = _complain("interrupted", 130)
    sys.exit(status)


def _complain(message: str, status: int = 2) -> int:
    print(f"keras-style: {' '.join(message.split())}", file=sys.stderr)
    return status


class _InterruptedAtOnceError(Exception):
    """Ctrl-C with nothing to write yet, or twice."""


class _Interrupt:
    """Turns the first Ctrl-C into a stop after the current step; the second one acts as usual."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "_Interrupt":
        self._usual = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._usual)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._usual)

    def __call__(self, iterate: Iterate) -> bool:
        return self.asked


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"keras-style {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("methods")
def _methods(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the methods, and the named parameter sets of each with their sources."""
    if as_json:
        print(json.dumps(api.methods(), indent=2))
        return
    for name, summary in api.methods().items():
        print(f"{name}: {summary}")
        for variant, numbers in recipes.get(name).variants.items():
            print(f"    --variant {variant}: {numbers.source}")


def _transfer(
    content: Annotated[Path, typer.Argument(help="The photograph.", show_default=False)],
    style: Annotated[list[Path], typer.Argument(help="The painting, or several.", show_default=False)],
    **rest: Any,
) -> int:
    """Paint a photograph in the manner of one or several paintings."""
    return _make(api.transfer, content, style, **rest)


def _texture(
    exemplar: Annotated[Path, typer.Argument(help="The texture, which keeps its resolution.", show_default=False)],
    **rest: Any,
) -> int:
    """Make a picture of any size that looks everywhere like the exemplar."""
    return _make(texture.synthesize_texture, exemplar, **rest)


def _make(
    function: Callable[..., TransferResult],
    /,
    *pictures: Any,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The picture: .png, .jpg or .webp.", show_default=False)
    ],
    quality: Annotated[int, typer.Option(help="Of JPEG and WebP, 1 to 100.")] = 95,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="YAML file of options; those on the command line win.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
    **given: Any,
) -> int:
    """Call `function` with the pictures and the options given, save what it returns, and say so."""
    images.check_writable(output)
    checks.whole("quality", quality, 1, 100)
    known = config.options(function)
    written = {name: _read(name, value, known[name].annotation) for name, value in given.items() if _is_given(value)}
    from_file = config.load(function, config_file) if config_file else {}
    chosen = {**from_file, **config.validate(function, written, "options")}
    with _Interrupt() as interrupt:
        result = function(*pictures, callbacks=[interrupt], **chosen)
        path = result.save(output, quality=quality)
    summary = {"output": str(path), **result.summary()}
    if as_json:
        print(json.dumps(summary, indent=2))
    else:
        planned = f" of {summary['settings']['steps']}, interrupted" if result.stopped else ""
        print(
            f"{path}: {summary['width']} x {summary['height']} pixels, {summary['steps']} steps{planned}, "
            f"{result.seconds:.1f} s"
        )
    return 130 if result.stopped else 0


# From text to values


def _is_given(value: Any) -> bool:
    return value is not None and value != []  # Typer's word for a repeated option that is not there


def _read(name: str, value: Any, annotation: Any) -> Any:
    """What an option's text stands for: `a,b` is a list and `a=1,b=2` a mapping, where the option takes one."""
    kinds = config.alternatives(annotation)
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
    return Mapping in config.alternatives(kinds.get(Sequence))


# From a signature and a docstring to options


def _with_options(command: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """`command`, whose `**rest` is spelled out: what `_make` takes, and one option for each option of `function`."""
    own = [
        p.replace(kind=p.KEYWORD_ONLY)
        for each in (command, _make)
        for p in inspect.signature(each).parameters.values()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    helps = _argument_helps(function)
    generated = [_option(name, parameter, helps[name]) for name, parameter in config.options(function).items()]
    parameters = own + generated

    generated_command = _interruptible(lambda **arguments: command(**arguments))
    generated_command.__doc__ = command.__doc__
    generated_command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    generated_command.__annotations__ = {p.name: p.annotation for p in parameters}
    return generated_command


def _interruptible(command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:  # Typer would swallow it
            raise _InterruptedAtOnceError from None

    return run


def _option(name: str, parameter: inspect.Parameter, text: str) -> inspect.Parameter:
    kinds = config.alternatives(parameter.annotation)
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


_METAVARS = {"method": "NAME[=SHARE],...", "size": "SIDE|HEIGHT,WIDTH"}


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


app.command("transfer")(_with_options(_transfer, api.transfer))
app.command("texture")(_with_options(_texture, texture.synthesize_texture))
app.command("train")(_interruptible(models.train))
app.command("translate")(_interruptible(models.translate))
app.command("presets")(models.presets)
app.command("export")(_interruptible(export))
