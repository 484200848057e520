"""Commands for painters: teach, styles."""

import json
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_style import images
from keras_style.commands import options
from keras_style.commands.options import AsJson
from keras_style.errors import InputError
from keras_style.internal.interrupt import first_signal
from keras_style.painting.painters import painter_source, style_file
from keras_style.painting.painters.names import new_name

Model = Annotated[str, typer.Option("--model", "-m", help="The painter: a preset, a directory or a file.")]


def teach(
    painting: Annotated[Path, typer.Argument(help="The painting.", show_default=False)],
    name: Annotated[str, typer.Option(help="The name of the style.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help=f"The style, a file {style_file.SUFFIX}.", show_default=False),
    ],
    photographs: Annotated[
        list[Path] | None,
        typer.Option(
            "--photographs",
            "--photograph",
            help="Photographs to teach on, or a folder; repeat the option for several. One takes half a minute. By "
            "default those of the package, which take a minute and a half.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[str, typer.Option(help="How style is compared; `keras-style methods` lists them.")] = "gatys",
    steps: Annotated[
        int | None, typer.Option(help="How many; 80 for one photograph, 400 for several.", show_default=False)
    ] = None,
    size: Annotated[int, typer.Option(help="Long side of the photographs in pixels.")] = 256,
    seed: Annotated[int, typer.Option(help="Seed; the same one gives the same bits.")] = 0,
    line: Annotated[str, typer.Option(help="A line about the style, for its card.")] = "",
    preview: Annotated[
        Path | None, typer.Option(help="Also save the first photograph in the new style.", show_default=False)
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Directory where the lesson saves itself, and goes on from.", show_default=False),
    ] = None,
    model: Model = painter_source.PRESET,
    quiet: options.Quiet = False,
    as_json: AsJson = False,
) -> int:
    new_name(name, ())
    if output.suffix != style_file.SUFFIX:
        raise InputError(f"output is {output}; expected a file {style_file.SUFFIX}")
    if not output.resolve().parent.is_dir():
        raise InputError(f"output is {output}, in a directory that does not exist; expected one that does")
    if preview is not None:
        images.check_writable(preview)
    given: Any = photographs or None
    if photographs and len(photographs) == 1:
        given = photographs[0]
    painter = painter_source.open_painter(model)
    asked = threading.Event()
    with first_signal(asked.set):
        result: Any = painter.teach(
            painting,
            name,
            given,
            method,
            steps,
            size,
            seed,
            0 if quiet else 1,
            about={"line": line or painting.stem},
            callbacks=[lambda iterate: asked.is_set()],
            checkpoint=checkpoint,
        )
    painter.save_style(name, output)
    if preview is not None:
        result.save(preview)
    summary = {"output": str(output), "name": name, **result.summary()}
    if as_json:
        print(json.dumps(summary, indent=2))
    else:
        ended = ", interrupted" if result.stopped else ""
        print(f"{output}: {name}, {result.steps} steps{ended}, {result.seconds:.1f} s")
    return 130 if result.stopped else 0


def styles(
    name: Annotated[str | None, typer.Argument(help="One of them, to see its card.", show_default=False)] = None,
    model: Model = painter_source.PRESET,
    sheet: Annotated[
        Path | None, typer.Option(help="Paint --photo in every style, as one picture.", show_default=False)
    ] = None,
    photo: Annotated[Path | None, typer.Option(help="The photograph for --sheet.", show_default=False)] = None,
    size: Annotated[int, typer.Option(help="Long side of each picture of the sheet in pixels.")] = 256,
    as_json: AsJson = False,
) -> None:
    if (sheet is None) != (photo is None):
        raise InputError("--sheet and --photo; expected both or neither")
    if sheet is not None:
        images.check_writable(sheet)
    painter = painter_source.open_painter(model)
    if sheet is not None and photo is not None:
        from keras_style.painting.painters.sheet import contact_sheet

        images.save(contact_sheet(painter, photo, size), sheet)
        print(f"{sheet}: {len(painter.styles)} styles")
    elif name is not None:
        print(json.dumps(painter.card(name), indent=2, ensure_ascii=False))
    elif as_json:
        print(json.dumps(painter.styles, indent=2, ensure_ascii=False))
    else:
        for each, line in painter.styles.items():
            print(f"{each}: {line}")
