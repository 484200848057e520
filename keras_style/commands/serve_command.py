"""The command that serves SavedModels."""

import logging
from typing import Annotated, Any

import typer

from keras_style.commands import options
from keras_style.server.server import Server
from keras_style.server.settings import Settings


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
