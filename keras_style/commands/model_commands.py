"""Commands for learned models: train, translate, presets."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from keras_style import checks, images
from keras_style.checks import DIRECTIONS
from keras_style.commands import files
from keras_style.internal import directories
from keras_style.models.loading.presets import card
from keras_style.models.loading.presets import presets as shipped


def train(
    config: Annotated[Path, typer.Argument(help="A YAML file; see configs/cyclegan/.", show_default=False)],
    directory: Annotated[
        Path | None,
        typer.Option("--directory", "-d", help="Of the run: it is made, or taken up. [default: runs/NAME]"),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another value: section.name=value. Repeat it.", metavar="KEY=VALUE"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the last line.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> int:
    """Train a CycleGAN as a YAML file says; the same command goes on with a run that was stopped or killed."""
    from keras_style.training.run import train

    result = train(config, directory=directory, overrides=overrides or [], verbose=0 if quiet else 1)
    print(json.dumps(result.summary(), indent=2) if as_json else str(result))
    return 130 if result.stopped else 0


def translate(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The picture, or a directory for several.", show_default=False)
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="A preset, the directory of a run, or a file: .keras, .h5, .pth, .safetensors.",
            show_default=False,
        ),
    ],
    direction: Annotated[str, typer.Option(help="a2b or b2a, of what holds both.")] = "a2b",
    batch_size: Annotated[int, typer.Option(help="Pictures of one size that go through together.")] = 1,
    tile: Annotated[
        int | None,
        typer.Option(help="For pictures larger than memory: rows that go through at a time.", show_default=False),
    ] = None,
    quality: Annotated[int, typer.Option(help="Of JPEG and WebP, 1 to 100.")] = 95,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> int:
    """Translate pictures with a trained generator; any sizes."""
    checks.choice("direction", direction, DIRECTIONS)
    checks.whole("batch_size", batch_size, 1, 10**6)
    if tile is not None:
        checks.whole("tile", tile, 1, 10**9)
    checks.whole("quality", quality, 1, 100)
    sources = files.sources(pictures)
    targets = files.targets(sources, output, single=len(pictures) == 1 and pictures[0].is_file())
    started = time.perf_counter()
    from keras_style.models.loading.open_generator import open_generator
    from keras_style.models.translation import translate

    generator = open_generator(model, direction)
    if targets[0].parent == output:
        directories.make(output, "output")
    for first in range(0, len(sources), batch_size):
        some = slice(first, first + batch_size)
        translated = translate(generator, sources[some], batch_size, tile=tile)
        for target, picture in zip(targets[some], translated, strict=True):
            images.save(picture, target, quality=quality)
            if not as_json:
                print(f"{target}: {picture.shape[1]} x {picture.shape[0]} pixels", flush=True)
    if as_json:
        seconds = round(time.perf_counter() - started, 3)
        print(json.dumps({"outputs": [str(target) for target in targets], "seconds": seconds}, indent=2))
    return 0


def presets(
    name: Annotated[str | None, typer.Argument(help="One of them, to see its model card.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the trained models that come with the package, or show the card of one."""
    if name is not None:
        print(card(name))
        return
    found = shipped()
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for name, summary in found.items():
        print(f"{name}: {summary}")
    if not found:
        print("none is shipped; a directory or hf://USER/MODEL is a preset, too", file=sys.stderr)
