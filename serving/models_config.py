"""Write models.config for TensorFlow Serving from a directory of exported models.

    python serving/models_config.py models -o serving/config/models.config --versions latest:2 --label a2b:stable=1

A server that was started with --model_config_file_poll_wait_seconds takes the new file up by itself.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from keras_style.errors import InputError, StyleError
from keras_style.internal import atomic_files
from keras_style.serving.model_config import models_config


def main(
    models: Annotated[Path, typer.Argument(help="The directory that holds MODEL/VERSION.", show_default=False)],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file. [default: print it]")] = None,
    base_path: Annotated[str, typer.Option(help="Of the models where the server runs.")] = "/models",
    versions: Annotated[
        list[str] | None,
        typer.Option(help="[MODEL=]latest, latest:COUNT, all or specific:VERSION,... Repeat it. [default: latest]"),
    ] = None,
    label: Annotated[list[str] | None, typer.Option(help="MODEL:LABEL=VERSION. Repeat it.")] = None,
) -> None:
    """Write models.config from a directory of exported models."""
    try:
        text = models_config(
            models, base_path=base_path, versions=_versions(versions or []), labels=_labels(label or [])
        )
        if output:
            atomic_files.write_bytes(output, text.encode())
    except (StyleError, OSError) as error:
        print(f"models_config: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    print(output or text.rstrip())


def _versions(given: list[str]) -> str | dict[str, str]:
    named = dict(each.split("=", 1) for each in given if "=" in each)
    plain = [each for each in given if "=" not in each]
    if len(plain) > 1 or (plain and named):
        raise InputError(f"--versions is {', '.join(given)}; expected one for all models, or MODEL=... for some")
    return plain[0] if plain else named


def _labels(given: list[str]) -> dict[str, dict[str, int]]:
    labels: dict[str, dict[str, int]] = {}
    for each in given:
        model, _, rest = each.partition(":")
        name, _, version = rest.partition("=")
        if not (model and name and version.isdecimal()):
            raise InputError(f"--label is {each!r}; expected MODEL:LABEL=VERSION")
        labels.setdefault(model, {})[name] = int(version)
    return labels


if __name__ == "__main__":
    typer.run(main)
