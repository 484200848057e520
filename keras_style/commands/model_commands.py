"""Commands for trained models: train, translate, presets, batch, export."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from keras_style import api
from keras_style.batch import start
from keras_style.commands import options
from keras_style.commands.options import AsJson, Quiet
from keras_style.errors import InputError
from keras_style.export import saved_model
from keras_style.internal import yaml_options
from keras_style.models.loading import presets as preset_files
from keras_style.models.translated_files import translate_files
from keras_style.painting.stylizer import Stylizer
from keras_style.training import run as training


@options.of(training.train, spelled={"overrides": "set"}, without=["verbose"])
def train(
    configuration: Annotated[str, typer.Argument(metavar="CONFIG", show_default=False)],
    quiet: Quiet = False,
    as_json: AsJson = False,
    **given: Any,
) -> int:
    result = training.train(configuration, **options.chosen(training.train, given), verbose=0 if quiet else 1)
    print(json.dumps(result.summary(), indent=2) if as_json else str(result))
    return 130 if result.stopped else 0


@options.of(translate_files)
def translate(
    pictures: Annotated[list[str], typer.Argument(show_default=False)], as_json: AsJson = False, **given: Any
) -> None:
    started = time.perf_counter()
    outputs = []
    for path, picture in translate_files(pictures, **options.chosen(translate_files, given)):
        outputs.append(str(path))
        if not as_json:
            print(f"{path}: {picture.shape[1]} x {picture.shape[0]} pixels", flush=True)
    if as_json:
        print(json.dumps({"outputs": outputs, "seconds": round(time.perf_counter() - started, 3)}, indent=2))


def presets(
    name: Annotated[str | None, typer.Argument(help="One of them, to see its model card.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    if name is not None:
        print(preset_files.card(name))
        return
    found = preset_files.presets()
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for name, summary in found.items():
        print(f"{name}: {summary}")
    if not found:
        print("none is shipped; a directory or hf://USER/MODEL is a preset, too", file=sys.stderr)


@options.of(start.run, Stylizer, without=["verbose"])
def batch(
    pictures: Annotated[str, typer.Argument(metavar="INPUT", show_default=False)],
    output: Annotated[str, typer.Argument(metavar="OUTPUT", show_default=False)],
    model: Annotated[str | None, typer.Option("--model", "-m", show_default=False)] = None,
    style: Annotated[
        list[str] | None,
        typer.Option(
            help="Instead of a model: the painting, for --method and the other options of `transfer`; or several.",
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
    if (model is None) == (not style):
        raise InputError(
            f"{'neither' if model is None else 'both'} --model {'nor' if model is None else 'and'} --style; "
            "expected a model, or a painting for a method"
        )
    if model is not None and method:
        raise InputError(f"--model with options for --style: {', '.join(method)}; expected none of them")
    result = start.run(
        pictures,
        output,
        model=Stylizer(**method) if model is None else model,
        style=style or (),
        **options.chosen(start.run, given),
        verbose=0 if quiet else 1,
    )
    print(json.dumps(result.summary(), indent=2) if as_json else f"{result}; {result.report}")
    return 130 if result.stopped else 1 if result.failed else 0


@options.of(saved_model.export_saved_model, spelled={"output_format": "format"})
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
        parameters[name.strip()] = yaml.safe_load(text)
    return Stylizer(**yaml_options.validate(Stylizer, parameters, f"config: {model}"))
