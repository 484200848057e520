"""Commands that paint: methods, transfer, texture."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_style import api, checks, images
from keras_style.commands import options
from keras_style.commands.options import AsJson, ConfigFile, Quality
from keras_style.commands.preview import Preview
from keras_style.errors import InputError
from keras_style.internal import stderr
from keras_style.internal.interrupt import first_signal
from keras_style.painting import methods as known_methods
from keras_style.painting import texture as textures
from keras_style.painting.result import TransferResult

Watch = Annotated[bool, typer.Option("--preview", help="Draw the running picture in the terminal.")]
Open = Annotated[bool, typer.Option("--open", help="Open the picture in the system's program for pictures.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The picture: .png, .jpg or .webp.", show_default=False)]


def methods(as_json: AsJson = False) -> None:
    if as_json:
        print(json.dumps(api.methods(), indent=2))
        return
    for name, summary in api.methods().items():
        print(f"{name}: {summary}")
        for variant, numbers in known_methods.get(name).variants.items():
            print(f"    --variant {variant}: {numbers.source}")


@options.of(api.transfer)
def transfer(
    content: Annotated[Path, typer.Argument(help="The photograph.", show_default=False)],
    output: Output,
    style: Annotated[
        list[Path] | None,
        typer.Argument(
            help="The painting, or several; REGION=FILE for a region of --content-masks. With a painter as --model the "
            "name of a style, or several; with a generator none.",
            show_default=False,
        ),
    ] = None,
    style_file: Annotated[
        list[Path] | None,
        typer.Option(
            help="A style that `keras-style teach` wrote, for --model painters; repeat it for several.",
            show_default=False,
        ),
    ] = None,
    quality: Quality = 95,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
    preview: Watch = False,
    open_it: Open = False,
    **given: Any,
) -> int:
    pictures = [content, _by_region("style", [*(style or []), *(style_file or [])]) or None]
    return _made(api.transfer, pictures, output, quality, config_file, as_json, preview, open_it, given)


@options.of(textures.synthesize_texture)
def texture(
    exemplar: Annotated[
        list[Path],
        typer.Argument(
            help="The texture, which keeps its resolution, or several; REGION=FILE for a region of --canvas-masks.",
            show_default=False,
        ),
    ],
    output: Output,
    quality: Quality = 95,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
    preview: Watch = False,
    open_it: Open = False,
    **given: Any,
) -> int:
    pictures = _by_region("exemplar", exemplar)
    only = exemplar[0] if isinstance(pictures, list) and len(pictures) == 1 else pictures
    return _made(textures.synthesize_texture, [only], output, quality, config_file, as_json, preview, open_it, given)


def _by_region(name: str, given: list[Path]) -> list[Path] | dict[str, Path]:
    """The pictures; by region where they were written REGION=FILE."""
    pairs = [(region, Path(file)) for region, equals, file in (str(each).partition("=") for each in given) if equals]
    if not pairs or any(each.exists() for each in given):
        return given
    if len(dict(pairs)) < len(given):
        raise InputError(f"{name} is {checks.listed(map(str, given))}; expected REGION=FILE of all, each region once")
    return dict(pairs)


def _made(
    function: Callable[..., TransferResult],
    pictures: list[Any],
    output: Path,
    quality: int,
    config_file: Path | None,
    as_json: bool,
    preview: bool,
    open_it: bool,
    given: dict[str, Any],
) -> int:
    """Call `function` with the pictures and the options given, save the picture it returns, show it, and say so."""
    images.check_writable(output)
    checks.whole("quality", quality, 1, 100)
    chosen = options.chosen(function, given, config_file)
    shown = Preview() if preview else None
    if shown:
        chosen["verbose"] = 0  # the bar would write over the picture
    asked = threading.Event()
    callbacks = [lambda iterate: asked.is_set(), *([shown] if shown else [])]
    with first_signal(asked.set):
        result = function(*pictures, callbacks=callbacks, **chosen)
        path = result.save(output, quality=quality)
    if shown:
        shown.end(result.image)
    if open_it and typer.launch(str(path)):
        stderr.say(f"keras-style: {path} is written; nothing was found here that opens pictures")
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
