"""The command line, generated from the functions it runs: their names, defaults and docstrings."""

import functools
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from keras_style import api, checks, images
from keras_style.commands import batch_command, model_commands, options, predict_command, serve_command
from keras_style.commands.export_command import export
from keras_style.errors import StyleError
from keras_style.optimize.iterate import Iterate
from keras_style.painting import methods, texture
from keras_style.painting.result import TransferResult
from keras_style.painting.stylizer import Stylizer
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
        for variant, numbers in methods.get(name).variants.items():
            print(f"    --variant {variant}: {numbers.source}")


def _transfer(
    content: Annotated[Path, typer.Argument(help="The photograph.", show_default=False)],
    style: Annotated[
        list[Path] | None, typer.Argument(help="The painting, or several; none with --model.", show_default=False)
    ] = None,
    **rest: Any,
) -> int:
    """Paint a photograph in the manner of one or several paintings."""
    return _make(api.transfer, content, style or None, **rest)


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
    chosen = options.chosen(function, given, config_file)
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


def _interruptible(command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:  # Typer would swallow it
            raise _InterruptedAtOnceError from None

    return run


app.command("transfer")(_interruptible(options.spelled_out(_transfer, api.transfer, shared=[_make])))
app.command("texture")(_interruptible(options.spelled_out(_texture, texture.synthesize_texture, shared=[_make])))
app.command("train")(_interruptible(model_commands.train))
app.command("translate")(_interruptible(model_commands.translate))
app.command("presets")(model_commands.presets)
app.command("batch")(_interruptible(options.spelled_out(batch_command.batch, Stylizer, explained=api.transfer)))
app.command("predict")(_interruptible(predict_command.predict))
app.command("serve")(serve_command.serve)
app.command("export")(_interruptible(export))
