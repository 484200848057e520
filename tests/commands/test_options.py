"""Options are generated from the functions that commands run: all of them, with help and defaults."""

import importlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pytest
import typer
from running import command

from keras_style import batch, export, training
from keras_style.commands import main, options
from keras_style.commands.main import COMMANDS
from keras_style.errors import InputError
from keras_style.images import ImageLike
from keras_style.internal import docstrings, yaml_options
from keras_style.models.translated_files import translate_files
from keras_style.server.server import Server
from keras_style.server.settings import Settings
from keras_style.serving.client import StyleClient
from keras_style.serving.tls import TLS

# {command: ({option: (function, parameter)} for options that are spelled differently, functions, parameters left out)}
BEHIND = {
    "train": ([training.train], {"overrides": "set"}, {"verbose"}),
    "translate": ([translate_files], {}, set()),
    "batch": ([batch.run], {}, {"verbose"}),
    "export": ([export.export_saved_model], {"output_format": "format"}, set()),
    "serve": ([Settings], {"labels_ahead": "allow-version-labels-for-unavailable-models"}, {"models"}),
    "predict": (
        [StyleClient, StyleClient.stylize_many, TLS],
        {
            "deadline": "timeout",
            "ca": "tls-ca",
            "certificate": "tls-certificate",
            "key": "tls-key",
            "server_name": "tls-server-name",
        },
        {"return_exceptions", "max_message_bytes"},
    ),
}


def shown(name, monkeypatch, capsys) -> list[str]:
    monkeypatch.setenv("COLUMNS", "1000")
    status, out, err = command(capsys, name, "--help")
    assert (status, err) == (0, "")
    return [" ".join(line.strip(" │").split()) for line in out.splitlines()]


@pytest.mark.parametrize("name", BEHIND)
def test_every_option_of_the_functions_is_there_with_its_default(name, monkeypatch, capsys):
    functions, spelled, without = BEHIND[name]
    lines = shown(name, monkeypatch, capsys)
    for function in functions:
        explained = Server if function is Settings else function
        for parameter, declared in yaml_options.options(function).items():
            if parameter in without:
                continue
            option = spelled.get(parameter, parameter.replace("_", "-"))
            (line,) = [line for line in lines if re.match(rf"(\* )?--{option}[ ,]", line)]
            if declared.default not in (None, (), declared.empty):
                expected = {False: f"no-{option}", True: option}.get(declared.default, declared.default)
                assert f"[default: ({expected})]" in line or ("[default" in line and option[:40] in line)
            if (name, parameter) not in {("batch", "style"), ("predict", "style")}:
                text = docstrings.arguments(explained)[parameter]
                assert text[1:] in line, parameter


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(name):
    for option in typer.main.get_command(main._app(name)).commands[name].params:
        assert re.match(r"[\"A-Z0-9`(]", option.help or ""), option.name


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_where_the_table_says(name):
    module, text = COMMANDS[name]
    assert callable(getattr(importlib.import_module(f"keras_style.commands.{module}"), name))
    assert text.splitlines()[0].endswith(".")


# What text can say of an annotation


class Unknown:
    pass


def function(
    picture: ImageLike,
    style: ImageLike | None = None,
    size: int | tuple[int, int] | None = None,
    *,
    init: ImageLike | None = None,
    optimizer: "str | NotImported | None" = None,  # noqa: F821
    model: Unknown | None = None,
    callbacks: Sequence[Callable[[int], bool]] = (),
    layers: Sequence[str] | Mapping[str, float] | None = None,
    tile: Literal["auto"] | int = "auto",
    names: Sequence[str] = (),
    needed: str,
) -> None:
    """Do something."""


def test_options_are_what_text_can_say():
    found = {name: each.annotation for name, each in yaml_options.options(function).items()}
    assert found == {
        "size": int | Sequence[int] | None,
        "init": str | None,
        "optimizer": str | None,
        "layers": Sequence[str] | Mapping[str, float] | None,
        "tile": Literal["auto"] | int,
        "names": Sequence[str],
        "needed": str,
    }
    assert inspect.signature(function).parameters.keys() - found == {"picture", "style", "model", "callbacks"}


def test_text_becomes_values():
    given = {"size": "3,4", "layers": "a=1,b=2", "names": ["x,y", "z"], "needed": "1", "init": None, "tile": "7"}
    assert options.chosen(function, given) == {
        "size": [3, 4],
        "layers": {"a": 1.0, "b": 2.0},
        "names": ["x,y", "z"],
        "needed": "1",
        "tile": 7,
    }
    assert options.chosen(function, {"needed": "x", "size": "5", "other": "y", "names": []}) == {
        "needed": "x",
        "size": 5,
    }
    with pytest.raises(InputError, match=r"^options: size is 'big'"):
        options.chosen(function, {"needed": "x", "size": "big"})
