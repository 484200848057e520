"""The command for many pictures."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_style.commands import options
from keras_style.errors import InputError
from keras_style.painting.stylizer import Stylizer


def batch(
    pictures: Annotated[
        str,
        typer.Argument(
            help="A folder, a pattern such as 'photos/*.jpg', or a file; or a URL such as s3://BUCKET/photos.",
            metavar="INPUT",
            show_default=False,
        ),
    ],
    output: Annotated[str, typer.Argument(help="A folder, or a URL.", metavar="OUTPUT", show_default=False)],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="A preset, the directory of a run or of a SavedModel, or a file: .keras, .h5, .pth, .safetensors.",
        ),
    ] = None,
    direction: Annotated[str, typer.Option(help="a2b or b2a, of a model that holds both.")] = "a2b",
    style: Annotated[
        list[Path] | None,
        typer.Option(help="Instead of a model: the painting, for --method and the options below. Repeat it."),
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Also the folders in the folder.")] = False,
    format: Annotated[str, typer.Option(help="Of the outputs: png, jpeg or webp.")] = "png",
    quality: Annotated[int, typer.Option(help="Of JPEG and WebP, 1 to 100.")] = 95,
    workers: Annotated[
        int | None, typer.Option(help="Processes with the model in memory. As many as fit by default.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Of each worker.")] = 1,
    gpus: Annotated[float, typer.Option(help="Of each worker, such as 1 or 0.5.")] = 0.0,
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster: auto or HOST:PORT. This machine alone by default.")
    ] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="YAML file of options for --style; those on the command line win.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the last line.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
    **given: Any,
) -> int:
    """Make a picture of each picture in a folder; the same command goes on after any stop.

    Exit status: 0 all is done, 1 some pictures failed (report.csv in OUTPUT lists them), 2 a mistake, 130 interrupted.
    """
    method = options.chosen(Stylizer, given, config_file)
    if (model is None) == (not style):
        raise InputError(
            f"{'neither' if model is None else 'both'} --model {'nor' if model is None else 'and'} --style; "
            "expected a model, or a painting for a method"
        )
    if model is not None and method:
        raise InputError(f"--model with options for --style: {', '.join(method)}; expected none of them")
    from keras_style.batch import run

    result = run(
        pictures,
        output,
        model=Stylizer(**method) if model is None else model,
        direction=direction,
        style=style or (),
        recursive=recursive,
        format=format,
        quality=quality,
        workers=workers,
        threads=threads,
        gpus=gpus,
        address=address,
        verbose=0 if quiet else 1,
    )
    print(json.dumps(result.summary(), indent=2) if as_json else f"{result}; {result.report}")
    return 130 if result.stopped else 1 if result.failed else 0
