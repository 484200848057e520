"""Help of the commands that paint: all that the functions take, as their docstrings say it."""

import inspect
import re

import pytest
from running import command

from keras_style import synthesize_texture, transfer
from keras_style.version import __version__

COMMANDS = {"transfer": transfer, "texture": synthesize_texture}


# Help


@pytest.fixture(params=COMMANDS)
def shown(request, monkeypatch, capsys) -> tuple[str, dict[str, str]]:
    """A command, and `{option: its line}` in its help."""
    monkeypatch.setenv("COLUMNS", "1000")
    status, out, _ = command(capsys, request.param, "--help")
    assert status == 0
    lines = (re.search(r"--([a-z-]+)[, ].*", line) for line in out.splitlines())
    return request.param, {
        found[1].replace("-", "_"): " ".join(found[0].strip(" │").split()) for found in lines if found
    }


def test_every_parameter_is_an_option(shown):
    name, lines = shown
    parameters = inspect.signature(COMMANDS[name]).parameters.values()
    options = {each.name for each in parameters if each.default is not each.empty}
    of_command = {"output", "quality", "config", "json", "preview", "open", "help"}
    of_command |= {"style_file"} if name == "transfer" else set()
    assert set(lines) == options - {"style", "callbacks"} | of_command


def test_help_is_the_docstring_with_the_defaults(shown):
    name, lines = shown
    docstring = " ".join(inspect.getdoc(COMMANDS[name]).split())
    told = {}
    for option, parameter in inspect.signature(COMMANDS[name]).parameters.items():
        if option in ("content", "style", "exemplar", "callbacks"):
            continue
        text, _, default = lines[option].partition(" [default: ")
        words = {"None": "", "False": f"no-{option}"}
        expected = words.get(str(parameter.default), str(parameter.default))
        assert default.strip("()]") == expected, option
        text = text.removesuffix(" Repeat the option for each style.")
        told[option] = re.sub(r"^--\S+ (?:-\w |--no-\S+ )?\S+ ", "", text)
    # Put together again, they are the docstring's Args from the first to the last.
    last = list(told).index("checkpoint")
    entries = [f"{option}: {text}" for option, text in told.items()]
    for part in (entries[:last], entries[last:]):
        assert " ".join(part).lower() in docstring.lower()


def test_help_spells_out_what_text_can_say(shown):
    name, lines = shown
    assert lines["method"].startswith("--method NAME[=SHARE],... ")
    if name == "texture":
        assert lines["size"].startswith("--size SIDE|HEIGHT,WIDTH ")
        assert lines["tileable"].startswith("--tileable --no-tileable ")
    else:
        assert lines["content_masks"].startswith("--content-masks,--content-mask [REGION=]FILE,... ")
        assert lines["style_masks"].endswith("Repeat the option for each style.")
        assert lines["smooth"].startswith("--smooth --no-smooth ") and "default" not in lines["smooth"]


@pytest.mark.parametrize("option", ["size", "steps", "seed", "checkpoint_every"])
def test_help_says_where_a_whole_number_goes(shown, option):
    name, lines = shown
    assert " INTEGER " in lines[option] or (name, option) == ("texture", "size")


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_names_the_commands(arguments, capsys):
    status, out, err = command(capsys, *arguments)
    assert (status, err) == (0, "")
    assert "transfer" in out and "texture" in out and "methods" in out


def test_version(capsys):
    assert command(capsys, "--version") == (0, f"keras-style {__version__}\n", "")
