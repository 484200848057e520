"""The command app, without Gradio: one line says what is missing."""

import importlib.util

from running import command


def test_without_gradio_it_says_what_to_install(capsys, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "gradio" else find(name, *rest)
    )
    status, out, err = command(capsys, "app")
    assert (status, out) == (2, "")
    assert err == ("keras-style: the app needs Gradio; expected it to be installed: pip install 'keras-style[app]'\n")
