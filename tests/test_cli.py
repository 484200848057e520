"""The command `keras-style`: what it writes, prints and returns, and that it offers all that `transfer` does."""

import inspect
import json
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import FAST, as_arguments, command, fresh_environment, listing, python, record_transfers

import keras_style
from keras_style import api, recipes, transfer
from keras_style.errors import InputError
from keras_style.version import __version__

INSTALLED = Path(sys.executable).with_name("keras-style")


@pytest.fixture
def calls(monkeypatch):
    """What the command line hands to `transfer`, which does not run."""
    return record_transfers(monkeypatch)


def given(capsys, calls, tmp_path, *arguments) -> dict:
    """The options that `transfer` gets from these arguments."""
    status, _, err = command(capsys, "transfer", "a.png", "b.png", "-o", tmp_path / "out.png", *arguments)
    assert (status, err) == (0, "")
    return calls[-1][2]


# Transfer


def test_writes_the_picture_and_prints_its_path(photograph_file, painting_file, tmp_path, capsys):
    output = tmp_path / "out.png"
    arguments = ["transfer", photograph_file, painting_file, "--output", output, *as_arguments(FAST)]
    status, out, err = command(capsys, *arguments)
    assert (status, err) == (0, "")
    assert re.fullmatch(rf"{re.escape(str(output))}: 48 x 40 pixels, 3 steps, \d+\.\d s\n", out)
    assert listing(tmp_path) == ["out.png"]
    expected = transfer(photograph_file, painting_file, **FAST).image
    assert np.array_equal(np.asarray(Image.open(output)), np.asarray(expected))


def test_json_says_what_was_done(photograph_file, painting_file, tmp_path, capsys):
    output = tmp_path / "out.jpg"
    status, out, err = command(
        capsys, "transfer", photograph_file, painting_file, "-o", output, "--json", *as_arguments(FAST)
    )
    assert (status, err) == (0, "")
    summary = json.loads(out)
    assert summary["output"] == str(output) and output.exists()
    assert (summary["width"], summary["height"], summary["steps"], summary["stopped"]) == (48, 40, 3, False)
    assert set(summary["losses"]) == {"loss", "content", "style", "total_variation"}
    assert summary["settings"]["content_layers"] == {"block2_conv1": 1.0} and summary["settings"]["seed"] == 0


def test_progress_goes_to_standard_error(photograph_file, painting_file, tmp_path, capsys):
    options = {**FAST, "verbose": 1}
    _, out, err = command(
        capsys, "transfer", photograph_file, painting_file, "-o", tmp_path / "out.png", "--json", *as_arguments(options)
    )
    assert json.loads(out)["steps"] == 3 and err.startswith("48 px, step 3/3: ")


def test_several_styles(calls, tmp_path, capsys):
    status, *_ = command(capsys, "transfer", "a.png", "b.png", "c.png", "d.png", "-o", tmp_path / "out.png")
    content, style, _ = calls[0]
    assert status == 0 and content == Path("a.png") and style == [Path("b.png"), Path("c.png"), Path("d.png")]


def test_quality(calls, tmp_path, capsys):
    sizes = []
    for quality in (10, 95):
        output = tmp_path / f"{quality}.jpg"
        assert command(capsys, "transfer", "a.png", "b.png", "-o", output, "--quality", quality)[0] == 0
        sizes.append(output.stat().st_size)
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupted_run_says_so(monkeypatch, tmp_path, capsys, as_json):
    record_transfers(monkeypatch, stopped=True)
    output = tmp_path / "out.png"
    status, out, err = command(capsys, "transfer", "a.png", "b.png", "-o", output, *(["--json"] if as_json else []))
    assert (status, err) == (130, "") and output.exists()
    assert json.loads(out)["stopped"] is True if as_json else "2 steps of 5, interrupted" in out


def interrupt(monkeypatch, times: int) -> None:
    """A stand-in for `transfer` that Ctrl-C hits so many times."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell start with it ignored

    def interrupted(content, style, *, callbacks):
        assert not callbacks[0](None)
        signal.raise_signal(signal.SIGINT)
        assert callbacks[0](None) is True  # the first one asks for a stop after the step
        for _ in range(times - 1):
            signal.raise_signal(signal.SIGINT)
        raise InputError("the run went on")

    monkeypatch.setattr(api, "transfer", interrupted)


@pytest.mark.parametrize(("times", "expected"), [(1, 2), (2, 130)])
def test_the_second_interrupt_ends_at_once(monkeypatch, tmp_path, capsys, times, expected):
    interrupt(monkeypatch, times)
    status, out, err = command(capsys, "transfer", "a.png", "b.png", "-o", tmp_path / "out.png")
    assert (status, out) == (expected, "")
    assert ("the run went on" in err) == (times == 1)
    assert listing(tmp_path) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_at_once_is_one_line(monkeypatch, tmp_path, capsys):
    interrupt(monkeypatch, 2)
    _, _, err = command(capsys, "transfer", "a.png", "b.png", "-o", tmp_path / "out.png")
    assert err == "keras-style: interrupted\n"


# Options


def test_without_options_the_defaults_of_transfer_hold(calls, tmp_path, capsys):
    assert given(capsys, calls, tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("method", "gatys", "gatys"),
        ("variant", "paper", "paper"),
        ("size", "64", 64),
        ("scales", "2", 2),
        ("scales", "32,64", [32, 64]),
        ("steps", "10", 10),
        ("optimizer", "adam", "adam"),
        ("content_weight", "2", 2.0),
        ("style_weight", "1e3", 1000.0),
        ("tv_weight", "0", 0.0),
        ("content_layers", "block4_conv2", ["block4_conv2"]),
        ("content_layers", "block1_conv1, block2_conv1", ["block1_conv1", "block2_conv1"]),
        ("style_layers", "block1_conv1=1,block2_conv1=2.5", {"block1_conv1": 1.0, "block2_conv1": 2.5}),
        ("style_blend", "1,3", [1.0, 3.0]),
        ("style_blend", "1", [1.0]),
        ("style_scale", "0.5", 0.5),
        ("init", "noise", "noise"),
        ("init", "pictures/a,b.png", "pictures/a,b.png"),
        ("preserve_color", "match", "match"),
        ("backbone", "vgg19_imagenet=my,weights.h5", "vgg19_imagenet=my,weights.h5"),
        ("pooling", "average", "average"),
        ("seed", "7", 7),
        ("checkpoint", "run", "run"),
        ("checkpoint_every", "5", 5),
        ("verbose", "1", 1),
        ("verbose", "auto", "auto"),
    ],
)
def test_an_option_arrives_with_its_type(name, text, value, calls, tmp_path, capsys):
    options = given(capsys, calls, tmp_path, f"--{name.replace('_', '-')}", text)
    assert options == {name: value}
    assert type(options[name]) is type(value)


def test_the_command_line_wins_over_the_config(calls, tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text("size: 32\nsteps: 5\nstyle_layers: {block1_conv1: 2}\n")
    options = given(capsys, calls, tmp_path, "--config", config, "--steps", "7")
    assert options == {"size": 32, "steps": 7, "style_layers": {"block1_conv1": 2.0}}


def test_bad_config_ends_in_one_line_without_work(calls, tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text("sise: 32\n")
    status, out, err = command(capsys, "transfer", "a", "b", "-o", tmp_path / "out.png", "--config", config)
    assert (status, out, calls) == (2, "", [])
    (line,) = err.splitlines()
    assert "config.yaml" in line and "unknown 'sise'" in line and "size" in line


# Help


@pytest.fixture
def shown(monkeypatch, capsys) -> dict[str, str]:
    """`{option: its line}` in the help of `transfer`."""
    monkeypatch.setenv("COLUMNS", "1000")
    status, out, _ = command(capsys, "transfer", "--help")
    assert status == 0
    lines = (re.search(r"--([a-z-]+) .*", line) for line in out.splitlines())
    return {found[1].replace("-", "_"): " ".join(found[0].strip(" │").split()) for found in lines if found}


def test_every_parameter_of_transfer_is_an_option(shown):
    parameters = {
        name for name, each in inspect.signature(transfer).parameters.items() if each.kind is each.KEYWORD_ONLY
    }
    assert set(shown) == parameters - {"callbacks"} | {"output", "quality", "config", "json", "help"}


def test_help_is_the_docstring_with_the_defaults(shown):
    docstring = " ".join(inspect.getdoc(transfer).split())
    told = {}
    for name, parameter in inspect.signature(transfer).parameters.items():
        if name in ("content", "style", "callbacks"):
            continue
        text, _, default = shown[name].partition(" [default: ")
        assert default.strip("()]") == ("" if parameter.default is None else str(parameter.default)), name
        told[name] = re.sub(r"^--\S+ \S+ ", "", text)
    # Put together again, they are the docstring's Args from the first to the last.
    last = list(told).index("checkpoint")
    entries = [f"{name}: {text}" for name, text in told.items()]
    for part in (entries[:last], entries[last:]):
        assert " ".join(part).lower() in docstring.lower()


@pytest.mark.parametrize("name", ["size", "steps", "seed", "checkpoint_every"])
def test_help_says_where_a_whole_number_goes(shown, name):
    assert " INTEGER " in shown[name]


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_names_the_commands(arguments, capsys):
    status, out, err = command(capsys, *arguments)
    assert (status, err) == (0, "")
    assert "transfer" in out and "methods" in out


def test_version(capsys):
    assert command(capsys, "--version") == (0, f"keras-style {__version__}\n", "")


def test_runs_as_a_module(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["keras_style", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("keras_style", run_name="__main__")
    assert not ended.value.code and capsys.readouterr().out == f"keras-style {__version__}\n"


def test_methods(capsys):
    status, out, _ = command(capsys, "methods")
    assert status == 0
    for name, summary in keras_style.methods().items():
        assert f"{name}: {summary}\n" in out
        for variant, numbers in recipes.get(name).variants.items():
            assert f"--variant {variant}: {numbers.source}\n" in out


def test_methods_as_json(capsys):
    status, out, _ = command(capsys, "methods", "--json")
    assert status == 0 and json.loads(out) == keras_style.methods()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["paint"], "paint"),
        (["--loud"], "--loud"),
        (["transfer", "--sise", "3"], "--sise"),
        (["transfer", "--callbacks", "x"], "--callbacks"),
        (["transfer", "a.png", "b.png"], "--output"),
        (["transfer", "a.png", "-o", "out.png"], "style"),
        (["transfer", "-o", "out.png"], "content"),
        (["transfer", "a.png", "b.png", "-o", "out.png", "--size"], "--size"),
        (["transfer", "a.png", "b.png", "-o", "out.png", "--quality", "high"], "--quality"),
        (["transfer", "a.png", "b.png", "-o", "out.png", "--config", "missing.yaml"], "missing.yaml"),
        (["methods", "gatys"], "gatys"),
    ],
)
def test_misuse_is_one_line(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status, out, err = command(capsys, *arguments)
    assert (status, out, listing(tmp_path)) == (2, "", [])
    (line,) = err.splitlines()
    assert line.startswith("keras-style: ") and says in line


# Other processes


def test_light_commands_and_mistakes_do_not_load_tensorflow(tmp_path):
    """Loading it takes seconds: nobody waits for it to read a line of help, or that a file is missing."""
    script = """
import sys
import keras_style, keras_style.cli
lines = [["--version"], ["--help"], [], ["methods"], ["methods", "--json"], ["transfer", "--help"], ["transfer", "-x"],
         ["transfer", "missing.png", "missing.png", "-o", "out.png"]]
for arguments in lines:
    sys.argv = ["keras-style", *arguments]
    try:
        keras_style.cli.main()
    except SystemExit as ended:
        print("status", ended.code or 0)
print("loaded", {"tensorflow", "keras"} & {*sys.modules})
"""
    finished = python(script)
    statuses = [line for line in finished.stdout.splitlines() if line.startswith(("status", "loaded"))]
    assert statuses == [*["status 0"] * 6, *["status 2"] * 2, "loaded set()"], finished.stderr


def test_installed_command_runs_without_a_word_from_tensorflow(photograph_file, painting_file, tmp_path):
    line = [INSTALLED, "transfer", photograph_file, painting_file, "-o", "out.png", *as_arguments(FAST)]
    finished = subprocess.run(line, cwd=tmp_path, env=fresh_environment(), capture_output=True, text=True, timeout=120)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("out.png: 48 x 40 pixels, 3 steps")


def test_ctrl_c_keeps_the_picture(photograph_file, painting_file, tmp_path):
    options = {**FAST, "optimizer": "adam", "steps": 1_000_000, "checkpoint": tmp_path / "run", "checkpoint_every": 1}
    line = [INSTALLED, "transfer", photograph_file, painting_file, "-o", tmp_path / "out.png", *as_arguments(options)]
    running = subprocess.Popen(line, env=fresh_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 100
        while not (tmp_path / "run" / "checkpoint.npz").exists():  # it is under way
            assert running.poll() is None and time.monotonic() < deadline, running.communicate()
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert (running.returncode, err) == (130, "")
    assert re.search(r"out\.png: 48 x 40 pixels, \d+ steps of 1000000, interrupted, ", out)
    assert Image.open(tmp_path / "out.png").size == (48, 40)
