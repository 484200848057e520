"""The command app: the page on this machine."""

from typing import Annotated

import typer

from keras_style.app.launch import launch


def app(
    port: Annotated[int | None, typer.Option(help="Port; the first that is free from 7860 on if not given.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on. Others than this machine can reach 0.0.0.0.")] = (
        "127.0.0.1"
    ),
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    blocks, address = launch(host, port, open_it)
    print(f"{address} (Ctrl-C ends it)", flush=True)
    blocks.block_thread()
