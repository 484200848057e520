"""Commands for trained models: train, translate, presets."""

import json
from typing import Annotated, Any

import typer

from keras_style.commands import options
from keras_style.commands.command_report import Report
from keras_style.commands.options import AsJson, Quiet
from keras_style.errors import StyleError
from keras_style.images import folders
from keras_style.internal import stderr
from keras_style.models.loading import presets as preset_files
from keras_style.models.translated_files import translate_files
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
) -> int:
    report = Report(folders.named_pictures(pictures)[1], as_json)
    for path, picture in translate_files(pictures, **options.chosen(translate_files, given)):
        if isinstance(picture, StyleError):
            report.fails(path, picture)
        else:
            report.made(path, (picture.shape[1], picture.shape[0]))
    return report.end()


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
        stderr.say("none is shipped; a directory or hf://USER/MODEL is a preset, too")
