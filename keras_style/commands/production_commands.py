"""Commands for many pictures and for servers: batch, export, serve."""

import json
import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_style import api, checks
from keras_style import batch as batches
from keras_style.commands import options
from keras_style.commands.options import AsJson, Quiet
from keras_style.errors import InputError
from keras_style.export import saved_model
from keras_style.internal import parsing, yaml_options
from keras_style.painting import with_painter
from keras_style.painting.painters import painter_source
from keras_style.painting.stylizer import Stylizer
from keras_style.server.server import Server
from keras_style.server.settings import Settings


@options.of(batches.run, Stylizer, without=["verbose"])
def batch(
    pictures: Annotated[str, typer.Argument(metavar="INPUT", show_default=False)],
    output: Annotated[str, typer.Argument(metavar="OUTPUT", show_default=False)],
    model: Annotated[str | None, typer.Option("--model", "-m", show_default=False)] = None,
    style: Annotated[
        list[str] | None,
        typer.Option(
            help="With a painter as --model: the name of a style, or several; pictures keep their size without --size. "
            "Without a model: the painting, for --method and the other options of `transfer`; or several.",
            show_default=False,
        ),
    ] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="YAML file of options for --style; those on the command line win.")
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    **given: Any,
) -> int:
    method = options.chosen(Stylizer, given, config_file)
    chosen = options.chosen(batches.run, given)
    is_painter = model is not None and painter_source.is_painter(model)
    if not is_painter and (model is None) == (not style):
        raise InputError(
            f"{'neither' if model is None else 'both'} --model {'nor' if model is None else 'and'} --style; "
            "expected a model, or a painting for a method"
        )
    of_both = [name for name in with_painter.OPTIONS if name in method]
    if is_painter:
        chosen |= {name: method.pop(name) for name in of_both}
    elif model is None:
        chosen = {name: value for name, value in chosen.items() if name not in with_painter.OPTIONS}
    if model is not None and method:
        raise InputError(f"--model with options for --style: {', '.join(method)}; expected none of them")
    result = batches.run(
        pictures,
        output,
        model=Stylizer(**method) if model is None else model,
        style=style or (),
        **chosen,
        verbose=0 if quiet else 1,
    )
    print(json.dumps(result.summary(), indent=2) if as_json else f"{result}; {result.report}")
    return 130 if result.stopped else 1 if result.failed else 0


@options.of(saved_model.export_saved_model, spelled={"output_format": "format"})
def export(
    model: Annotated[
        str,
        typer.Argument(
            help="A preset, the directory of a run, or a file (.keras, .h5, .pth, .model, .safetensors): a generator. "
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
    as_json: AsJson = False,
    **given: Any,
) -> None:
    source = _method(model, overrides or [])
    chosen = options.chosen(saved_model.export_saved_model, given)
    if output.suffix in (".onnx", ".tflite"):
        if source is not None:
            raise InputError(f"{output.suffix} of a method; expected a generator, or a directory for a SavedModel")
        from keras_style.export import export_litert, export_onnx

        write = export_onnx if output.suffix == ".onnx" else export_litert
        made = write(model, output, **{name: chosen[name] for name in ("direction", "size") if name in chosen})
    else:
        made = saved_model.export_saved_model(model if source is None else source, output, **chosen)
    verified = chosen.get("verify", False)
    print(json.dumps({"output": str(made), "verified": verified}) if as_json else f"{made}{': verified' * verified}")


def _method(model: str, overrides: list[str]) -> Stylizer | None:
    """A Stylizer, if `model` is the name of a method or a YAML file; None if it is a generator."""
    if Path(model).suffix in (".yaml", ".yml"):
        parameters = yaml_options.read(model)
    elif model in api.methods():
        parameters = {"method": model}
    elif overrides:
        raise InputError(f"--set with {model}, a generator; expected a method, one of {', '.join(api.methods())}")
    else:
        return None
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals:
            raise InputError(f"--set {override}; expected KEY=VALUE")
        try:
            parameters[name.strip()] = parsing.from_yaml(text)
        except ValueError as error:
            raise InputError(f"--set {checks.shown(override)}; expected a value that is valid YAML: {error}") from None
    return Stylizer(**yaml_options.validate(Stylizer, parameters, f"config: {model}"))


@options.of(Settings, explained=Server, spelled={"labels_ahead": "allow-version-labels-for-unavailable-models"})
def serve(
    models: Annotated[str | None, typer.Argument(show_default=False)] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log nothing but errors.")] = False,
    **given: Any,
) -> None:
    log = logging.getLogger("keras_style.serving")
    log.setLevel(logging.ERROR if quiet else logging.INFO)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    try:
        Server(models, **options.chosen(Settings, given)).run()
    finally:
        log.removeHandler(handler)
