"""Calls as text: what is written in Python and on the command line is the call that was made."""

import shlex
from typing import ClassVar

import pytest
from documented import fill
from running import command, record_transfers

import keras_style
from keras_style.app import calls

OPTIONS = {
    "method": "histogram",
    "size": 300,
    "style_weight": 2.5,
    "preserve_color": "match",
    "refine": True,
    "seed": 3,
}


class Result:
    """What a transfer returns, as far as the text uses it."""

    saved: ClassVar[list[str]] = []

    def save(self, path: str) -> None:
        self.saved.append(path)


def test_the_python_is_the_call(monkeypatch):
    made = []

    def transfer(*pictures, **options) -> Result:
        made.append((pictures, options))
        return Result()

    monkeypatch.setattr(keras_style, "transfer", transfer)
    monkeypatch.setattr(Result, "saved", [])
    exec(calls.python_call("transfer", ["it's mine.jpg", ["a.png", "b.png"]], OPTIONS, "out.png"))
    assert made == [(("it's mine.jpg", ["a.png", "b.png"]), OPTIONS)] and Result.saved == ["out.png"]


def test_the_command_is_the_call(monkeypatch, tmp_path, capsys):
    recorded = record_transfers(monkeypatch)
    fill(tmp_path)
    monkeypatch.chdir(tmp_path)
    line = calls.command_line("transfer", ["photo.jpg", ["night.png", "day.png"]], OPTIONS, "out.png")
    words = shlex.split(line)
    assert words[0] == "keras-style"
    assert command(capsys, *words[1:])[0] == 0
    content, styles, options = recorded[0]
    assert (str(content), [str(each) for each in styles]) == ("photo.jpg", ["night.png", "day.png"])
    assert options == OPTIONS


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"refine": False}, "--no-refine"),
        ({"method": {"gatys": 1, "moments": 0.5}}, "--method gatys=1,moments=0.5"),
        ({"size": [64, 96]}, "--size 64,96"),
        ({"content_masks": "a mask.png"}, "--content-masks 'a mask.png'"),
    ],
)
def test_values_as_they_are_typed(options, words):
    line = calls.command_line("synthesize_texture", ["gravel.png"], options, "out.png")
    assert line == f"keras-style texture gravel.png --output out.png {words}"
