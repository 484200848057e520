"""The command line. A command's module is imported when the command is run."""

import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from keras_style.errors import StyleError
from keras_style.internal import stderr
from keras_style.internal.interrupt import termination_as_interrupt
from keras_style.version import __version__

# {name: (module, help)}
COMMANDS = {
    "transfer": ("paint_commands", "Paint a photograph in the manner of one or several paintings."),
    "texture": ("paint_commands", "Make a picture of any size that looks everywhere like the exemplar."),
    "methods": ("paint_commands", "List the methods, and the named parameter sets of each with their sources."),
    "teach": ("painter_commands", "Teach a painter a painting: a style of a few kilobytes, for any photograph."),
    "styles": ("painter_commands", "List the styles of a painter, show the card of one, or paint a photograph in all."),
    "train": (
        "model_commands",
        "Train a CycleGAN as a YAML file says; the same command goes on with a run that was stopped or killed.",
    ),
    "translate": ("model_commands", "Translate pictures with a trained generator; any sizes."),
    "presets": ("model_commands", "List the trained models that come with the package, or show the card of one."),
    "batch": (
        "production_commands",
        "Make a picture of each picture in a folder; the same command goes on after any stop.\n\n"
        "Exit status: 0 all is done, 1 some pictures failed (report.csv in OUTPUT lists them), 2 a mistake, "
        "130 interrupted, 143 terminated, 129 terminal closed.",
    ),
    "export": (
        "production_commands",
        "Export a generator or a method as a SavedModel for TensorFlow Serving; a generator also as ONNX or LiteRT.",
    ),
    "serve": (
        "production_commands",
        "Serve SavedModels as TensorFlow Serving does, for development, tests and small machines.\n\n"
        "Production uses TensorFlow Serving itself (tensorflow_model_server); the same clients speak to both.",
    ),
    "predict": (
        "predict_command",
        "Send pictures to TensorFlow Serving or `keras-style serve`, and save what a model there makes of them.",
    ),
    "app": (
        "app_command",
        "A page on this machine for every method: live pictures, masks by brush, textures, trained models.\n\n"
        "It needs the extra keras-style[app]; nothing leaves the machine.",
    ),
    "doctor": (
        "doctor_command",
        "Say what machine, versions, weights and optional parts there are and whether painting works, for bug reports.",
    ),
}


_SIGNALLED = 128  # as a shell says it of a process that a signal ended: 130, 143 or 129
_INTERRUPTED = _SIGNALLED + signal.SIGINT


def main() -> None:
    """Run the command line: status 2 and one line for a user's mistake."""
    ended: list[int] = []
    with termination_as_interrupt(ended.append):
        try:
            status = _app(_called())(standalone_mode=False)
            print(end="", flush=True)
        except typer.TyperException as error:
            status = _complain(error.format_message())
        except StyleError as error:
            status = _complain(str(error))
        except (KeyboardInterrupt, typer.Abort, _InterruptedAtOnceError):
            status = _complain("interrupted", _INTERRUPTED)
        except BrokenPipeError:  # whoever read standard output has seen enough; Typer's status
            status = _without_output(1)
        except OSError as error:  # of the system: a disk that is full, a directory that is gone
            status = _without_output(_complain(str(error)))
    sys.exit(_SIGNALLED + ended[0] if ended and status else status)


def _called() -> str:
    """The command that is called, or whose options a shell wants to complete."""
    line = os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS") or ""
    words = line.split() if "_KERAS_STYLE_COMPLETE" in os.environ else sys.argv
    return words[1] if len(words) > 1 else ""


def _without_output(status: int) -> int:
    """The status, once nobody reads standard output any more: what it still holds would fail again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return status


def _complain(message: str, status: int = 2) -> int:
    stderr.say(f"keras-style: {' '.join(message.split())}")
    return status


def _app(called: str) -> typer.Typer:
    """The command line with the options of the command that is called; of the others, their names and help."""
    app = typer.Typer(
        name="keras-style",
        help="Style transfer with TensorFlow and Keras.",
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(_root)
    for name, (module, text) in COMMANDS.items():
        command = getattr(importlib.import_module(f"keras_style.commands.{module}"), name) if name == called else _other
        app.command(name, help=text)(_interruptible(command))
    return app


def _other() -> None:
    """A command that is not called."""


class _InterruptedAtOnceError(Exception):
    """Ctrl-C with nothing to write yet, or twice."""


def _interruptible(command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:  # Typer would swallow it
            raise _InterruptedAtOnceError from None

    return run


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"keras-style {__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
