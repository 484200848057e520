"""The command line, generated from the functions it runs: their names, defaults and docstrings."""

import inspect
import json
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from keras_style import api, checks, config, images, recipes
from keras_style.errors import InputError, StyleError
from keras_style.optimize.iterate import Iterate
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
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The picture: .png, .jpg or .webp.", show_default=False)
    ],
    quality: Annotated[int, typer.Option(help="Of JPEG and WebP, 1 to 100.")] = 95,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="YAML file of options; those on the command line win.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
    **given: str | None,
) -> int:
    """Paint a photograph in the manner of one or several paintings."""
    images.check_writable(output)
    checks.whole("quality", quality, 1, 100)
    written = {name: _read(name, text) for name, text in given.items() if text is not None}
    from_file = config.load(api.transfer, config_file) if config_file else {}
    chosen = {**from_file, **config.validate(api.transfer, written, "options")}
    with _Interrupt() as interrupt:
        result = api.transfer(content, style, callbacks=[interrupt], **chosen)
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


_LISTS = {"content_layers", "style_layers", "style_blend"}


def _read(name: str, text: str) -> Any:
    """What an option's text stands for: `a,b` is a list and `a=1,b=2` a mapping, where the option takes one."""
    if name not in _LISTS and not (name == "scales" and "," in text):
        return text
    items = [item.strip() for item in text.split(",") if item.strip()]
    if name.endswith("_layers") and any("=" in item for item in items):
        weights = dict(item.partition("=")[::2] for item in items)
        if len(weights) < len(items):
            raise InputError(f"{name} is {text!r}; expected each layer once")
        return weights
    return items


def _with_options(command: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """`command`, whose `**given` is spelled out as one option for each option of `function`."""
    own = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
    helps = _argument_helps(function)
    generated = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(
                    f"--{name.replace('_', '-')}",
                    help=helps[name],
                    metavar=_metavar(name, parameter),
                    show_default=False if parameter.default is None else str(parameter.default),
                ),
            ],
        )
        for name, parameter in config.options(function).items()
    ]
    parameters = [p.replace(kind=p.KEYWORD_ONLY) for p in own] + generated

    def generated_command(**arguments: Any) -> Any:
        try:
            return command(**arguments)
        except KeyboardInterrupt:  # Typer would swallow it
            raise _InterruptedAtOnceError from None

    generated_command.__doc__ = command.__doc__
    generated_command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    generated_command.__annotations__ = {p.name: p.annotation for p in parameters}
    return generated_command


def _metavar(name: str, parameter: inspect.Parameter) -> str:
    if name in _LISTS:
        return "LAYER[=WEIGHT],..." if name.endswith("_layers") else "NUMBER,..."
    kinds = {int: "INTEGER", float | None: "NUMBER", int | None: "INTEGER"}
    return kinds.get(parameter.annotation, "NUMBER[,NUMBER...]" if name == "scales" else "TEXT")


def _argument_helps(function: Callable[..., Any]) -> dict[str, str]:
    """The Args of a docstring: `{name: text}`."""
    arguments = inspect.cleandoc(function.__doc__ or "").partition("\nArgs:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", arguments, re.MULTILINE)
    return {name: " ".join(text.split())[:1].upper() + " ".join(text.split())[1:] for name, text in found}


app.command("transfer")(_with_options(_transfer, api.transfer))
