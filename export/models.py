"""Export the zoo, every preset and every method that can be exported, as a directory of models that a server reads.

    python export/models.py models

makes models/NAME/1 of each, compared with Keras in a process that has neither Keras nor keras_style. A model that is
there already is kept; with --new, one that is there but differs from what would be made now gets the next number.
Compared are the weights, the method with its size and steps, and the version of keras_style.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import keras_style
from keras_style.checks import DIRECTIONS
from keras_style.errors import InputError, StyleError
from keras_style.export import exportable
from keras_style.export.saved_model import METADATA
from keras_style.internal.version_folders import versions
from keras_style.painting.painters.painter_source import is_painter
from keras_style.version import __version__

SIZE = 256  # pixels, the long side of what a method paints
Model = tuple[Any, str]  # as export_saved_model takes it, and a direction


def zoo(size: int = SIZE) -> dict[str, Callable[[], Model]]:
    """All models by their names on a server: NAME and NAME_b2a for a CycleGAN, NAME for a painter and for a method."""
    found: dict[str, Callable[[], Model]] = {}
    for preset in keras_style.presets():
        for direction in DIRECTIONS[:1] if is_painter(preset) else DIRECTIONS:
            name = preset if direction == DIRECTIONS[0] else f"{preset}_{direction}"
            found[name] = lambda preset=preset, direction=direction: (preset, direction)
    for method in exportable.methods():
        found[method] = lambda method=method: (keras_style.Stylizer(method=method, size=size), DIRECTIONS[0])
    return found


def main(
    models: Annotated[Path, typer.Argument(help="The directory that a server reads; it is made.")] = Path("models"),
    only: Annotated[list[str] | None, typer.Option(help="A model. Repeat it. [default: all]")] = None,
    size: Annotated[int, typer.Option(help="Long side of what a method paints, in pixels.")] = SIZE,
    new: Annotated[bool, typer.Option("--new", help="Add a version to a model that is out of date.")] = False,
) -> None:
    """Export every preset and every method that can be exported, and verify each."""
    try:
        plan = zoo(size)
        if unknown := sorted({*(only or ())} - {*plan}):
            raise InputError(f"no model {', '.join(unknown)}; expected some of {', '.join(plan)}")
    except StyleError as error:
        sys.exit(_complain(error))
    failed = 0
    for name in only or plan:
        try:
            print(_export(models / name, *plan[name](), new=new), flush=True)
        except StyleError as error:
            failed = _complain(error)
    sys.exit(failed)


def _export(directory: Path, model: Any, direction: str, *, new: bool) -> str:
    """A line about what was done."""
    newest = max(versions(directory).items(), default=None) if directory.is_dir() else None
    if newest is not None:
        different = _differences(newest[1], model, direction)
        if not different:
            return f"{newest[1]}: up to date"
        if not new:
            return f"{newest[1]}: kept, though {', '.join(different)} would be another; --new adds a version"
    started = time.perf_counter()
    made = keras_style.export_saved_model(model, directory, direction=direction, verify=True)
    megabytes = sum(file.stat().st_size for file in made.rglob("*") if file.is_file()) / 1e6
    return f"{made}: verified, {megabytes:.1f} MB, {time.perf_counter() - started:.0f} s"


def _differences(version: Path, model: Any, direction: str) -> list[str]:
    """Which parts of a version's description are not those of the model as it is now."""
    try:
        before = json.loads((version / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return [METADATA]
    described = exportable.open_source(model, direction).description
    now = {**json.loads(json.dumps(described)), "keras_style": __version__}
    before["keras_style"] = before.get("versions", {}).get("keras_style")
    return [key for key, value in now.items() if before.get(key) != value]


def _complain(error: StyleError) -> int:
    print(f"models: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
    return 1 if not isinstance(error, InputError) else 2


if __name__ == "__main__":
    typer.run(main)
