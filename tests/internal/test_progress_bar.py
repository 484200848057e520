"""The bar in notebooks, with stand-ins for what only a notebook has."""

import functools
import sys
import types

import pytest
from rich.console import Console
from rich.progress import TextColumn

from keras_style.internal import progress_bar
from keras_style.internal.progress_bar import ProgressBar


@pytest.fixture
def notebook(monkeypatch):
    monkeypatch.setattr(progress_bar, "Console", functools.partial(Console, force_jupyter=True))


@pytest.fixture
def shown(monkeypatch):
    """Record what a notebook with ipywidgets shows, in order."""
    shown: list[str] = []

    class Output:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def clear_output(self, wait):
            assert wait  # or the bar would flicker

    def display(what):
        if not isinstance(what, Output) and what.text.strip():  # it ends with an empty line
            shown.append(what.text.strip())

    monkeypatch.setattr(progress_bar.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "ipywidgets", types.SimpleNamespace(Output=Output))
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    return shown


def run(verbose):
    with ProgressBar(TextColumn("{task.fields[step]}/4"), verbose=verbose, total=4, step=0) as bar:
        for step in range(1, 5):
            bar.update(step, step=step)
        bar.line("one scale")


@pytest.mark.parametrize("verbose", [1, "auto"])
def test_the_bar_of_a_notebook_ends_at_its_end(notebook, shown, verbose, capfd):
    run(verbose)
    assert shown[-1] == "4/4"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("verbose", "said"), [(0, ""), (1, "one scale\n"), ("auto", "one scale\n")])
def test_a_notebook_without_ipywidgets_gets_lines_and_no_warning(notebook, verbose, said, capfd, monkeypatch):
    monkeypatch.setattr(progress_bar.importlib.util, "find_spec", lambda name: None)
    run(verbose)
    assert capfd.readouterr() == ("", said)
