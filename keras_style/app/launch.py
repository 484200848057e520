"""The page is served on this machine, by Gradio without its reports to anybody."""

import importlib.util
import os
from typing import Any

from keras_style.errors import InputError

_UPLOAD = "32mb"
_WAITING = 16  # pictures in the queue
# Gradio's default theme loads fonts from elsewhere.
_FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}


def launch(host: str = "127.0.0.1", port: int | None = None, open_browser: bool = False) -> tuple[Any, str]:
    """Begin to serve the page.

    Args:
        host: the address to listen on; by default this machine alone.
        port: None: the first that is free from 7860 on.
        open_browser: whether to open the page.

    Returns:
        Gradio's `Blocks`, and the address of the page.

    Raises:
        InputError: Gradio is not installed, or the port cannot be used.
    """
    if importlib.util.find_spec("gradio") is None:
        raise InputError("the app needs Gradio; expected it to be installed: pip install 'keras-style[app]'")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import gradio

    from keras_style.app.interface import Interface

    blocks = Interface().blocks
    blocks.queue(max_size=_WAITING, default_concurrency_limit=4)
    try:
        _, address, _ = blocks.launch(
            server_name=host,
            server_port=port,
            inbrowser=open_browser,
            prevent_thread_lock=True,
            share=False,
            quiet=True,
            theme=gradio.themes.Default(**_FONTS),
            max_file_size=_UPLOAD,
            footer_links=[],
            ssr_mode=False,
            pwa=False,
        )
    except OSError as error:
        raise InputError(f"port {port} of {host} cannot be used ({error}); expected a free one") from None
    return blocks, address
