"""The command that turns what was trained, or an optimization method, into files that other programs run."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from keras_style import api, checks
from keras_style.checks import DIRECTIONS
from keras_style.errors import InputError
from keras_style.export.limits import MAX_BYTES, MAX_PIXELS
from keras_style.internal import yaml_options

FILES = {".onnx": "onnx", ".tflite": "litert"}


def export(
    model: Annotated[
        str,
        typer.Argument(
            help="A preset, the directory of a run, or a file (.keras, .h5, .pth, .safetensors): a generator. "
            "A name in `keras-style methods` or a YAML file of one: a method.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            help="MODELS/NAME, a directory to which a version is added; or a file .onnx or .tflite.", show_default=False
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter of a method: size=256. Repeat it.", metavar="KEY=VALUE"),
    ] = None,
    version: Annotated[int | None, typer.Option(help="A new number. [default: the next one]")] = None,
    direction: Annotated[str, typer.Option(help="a2b or b2a, of what holds both.")] = "a2b",
    size: Annotated[
        str | None, typer.Option(help="Fixed: pictures are resized to it.", metavar="SIDE|HEIGHT,WIDTH")
    ] = None,
    output_format: Annotated[str, typer.Option("--format", help="Of encoded answers: png or jpeg.")] = "png",
    quality: Annotated[int, typer.Option(help="Of JPEG, 1 to 100.")] = 95,
    max_pixels: Annotated[int, typer.Option(help="Of a picture; a larger one is refused undecoded.")] = MAX_PIXELS,
    max_bytes: Annotated[int, typer.Option(help="Of an encoded picture.")] = MAX_BYTES,
    warmup: Annotated[bool, typer.Option("--warmup/--no-warmup", help="Write warm-up requests.")] = True,
    verify: Annotated[bool, typer.Option("--verify", help="Run the graph without Keras, and compare.")] = False,
    pictures: Annotated[
        list[Path] | None, typer.Option("--picture", help="To verify on. Repeat it.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Export a generator or a method as a SavedModel for TensorFlow Serving; a generator also as ONNX or LiteRT."""
    checks.choice("direction", direction, DIRECTIONS)
    source = _method(model, overrides or [])
    sides = _size(size)
    if output.suffix in FILES:
        if source is not None:
            raise InputError(f"{output.suffix} of a method; expected a generator, or a directory for a SavedModel")
        from keras_style.export import export_litert, export_onnx

        write = export_onnx if FILES[output.suffix] == "onnx" else export_litert
        made = write(model, output, direction=direction, size=sides)
    else:
        from keras_style.export import export_saved_model

        made = export_saved_model(
            model if source is None else source,
            output,
            version,
            direction=direction,
            size=sides,
            output_format=output_format,
            quality=quality,
            max_pixels=max_pixels,
            max_bytes=max_bytes,
            warmup=warmup,
            verify=verify,
            pictures=pictures or [],
        )
    print(json.dumps({"output": str(made), "verified": verify}) if as_json else f"{made}{': verified' * verify}")


def _method(model: str, overrides: list[str]) -> Any:
    """A Stylizer, if `model` is the name of a method or a YAML file; None if it is a generator."""
    from keras_style.painting.stylizer import Stylizer

    if Path(model).suffix in (".yaml", ".yml"):
        options = yaml_options.read(model)
    elif model in api.methods():
        options = {"method": model}
    elif overrides:
        raise InputError(f"--set with {model}, a generator; expected a method, one of {', '.join(api.methods())}")
    else:
        return None
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals:
            raise InputError(f"--set {override}; expected KEY=VALUE")
        options[name.strip()] = yaml.safe_load(text)
    return Stylizer(**yaml_options.validate(Stylizer, options, f"config: {model}"))


def _size(text: str | None) -> int | tuple[int, int] | None:
    if text is None:
        return None
    try:
        sides = tuple(int(side) for side in text.split(","))
    except ValueError:
        sides = ()
    if len(sides) not in (1, 2):
        raise InputError(f"size is {text!r}; expected SIDE or HEIGHT,WIDTH in pixels")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])
