"""The command `keras-style`: what it writes, prints and returns, and that it offers all that the functions do."""

import fcntl
import functools
import json
import os
import pty
import re
import runpy
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest
from picture_files import read
from PIL import Image
from running import FAST, as_arguments, command, eagerly, fresh_environment, listing, python, record_transfers

import keras_style
from keras_style import TransferResult, api, synthesize_texture, transfer
from keras_style.errors import InputError
from keras_style.painting import methods, texture
from keras_style.version import __version__

INSTALLED = Path(sys.executable).with_name("keras-style")


@pytest.fixture
def calls(monkeypatch):
    """What the command line hands to `transfer`, which does not run."""
    return record_transfers(monkeypatch)


@pytest.fixture
def texture_calls(monkeypatch):
    """What the command line hands to `synthesize_texture`, which does not run."""
    calls = []

    @functools.wraps(synthesize_texture)  # the command line reads its signature
    def stand_in(exemplar, *, callbacks, **options) -> TransferResult:
        calls.append((exemplar, options))
        return TransferResult(np.zeros((16, 24, 3), np.float32), {"loss": [2.0, 1.0]}, {"steps": 5}, 0.25)

    monkeypatch.setattr(texture, "synthesize_texture", stand_in)
    return calls


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
    assert np.array_equal(read(output), np.asarray(expected))


@eagerly()
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


@eagerly()
def test_masks_and_shares_reach_the_run(photograph_file, painting_file, tmp_path, capsys):
    for name, path in {"photo": photograph_file, "style": painting_file}.items():
        height, width = read(path).shape[:2]
        rows = np.arange(height) < height // 2
        Image.fromarray(np.broadcast_to(rows[:, None], (height, width)).copy()).save(tmp_path / f"{name}_sky.png")
    options = {**FAST, "method": "gatys=3,moments=1", "photorealism_weight": 2, "steps": 1, "optimizer": "adam"}
    masks = ["--content-mask", f"sky={tmp_path}/photo_sky.png", "--style-mask", f"sky={tmp_path}/style_sky.png"]
    line = ["transfer", photograph_file, painting_file, "-o", tmp_path / "out.png", "--json", "--smooth"]
    status, out, err = command(capsys, *line, *masks, *as_arguments(options))
    assert (status, err) == (0, "")
    settings = json.loads(out)["settings"]
    assert settings["method"] == {"gatys": 3, "moments": 1} and settings["photorealism_weight"] == 2
    assert settings["regions"] == {"sky": 0.5, "uncovered": 0.5} and settings["smooth"] is True


@eagerly()
def test_progress_goes_to_standard_error(photograph_file, painting_file, tmp_path, capsys):
    options = {**FAST, "verbose": 1}
    _, out, err = command(
        capsys, "transfer", photograph_file, painting_file, "-o", tmp_path / "out.png", "--json", *as_arguments(options)
    )
    assert json.loads(out)["steps"] == 3 and "\n48 px, step 3/3: " in err


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


# Textures


def given_texture(capsys, calls, tmp_path, *arguments) -> dict:
    """The options that `synthesize_texture` gets from these arguments."""
    status, _, err = command(capsys, "texture", "a.png", "-o", tmp_path / "out.png", *arguments)
    assert (status, err) == (0, "")
    exemplar, options = calls[-1]
    assert exemplar == Path("a.png")
    return options


@eagerly()
def test_writes_a_texture(painting_file, tmp_path, capsys):
    output = tmp_path / "out.png"
    layers = {"style_layers": FAST["style_layers"], "steps": 2, "verbose": 0}
    line = ["texture", painting_file, "-o", output, "--size", "24,40", "--tileable", "--method", "gatys=3,moments=1"]
    status, out, err = command(capsys, *line, "--json", *as_arguments(layers))
    assert (status, err) == (0, "")
    summary = json.loads(out)
    assert (summary["output"], summary["width"], summary["height"], summary["steps"]) == (str(output), 40, 24, 2)
    assert summary["settings"]["tileable"] is True and summary["settings"]["method"] == {"gatys": 3, "moments": 1}
    expected = synthesize_texture(
        painting_file, (24, 40), method={"gatys": 3, "moments": 1}, tileable=True, **layers
    ).image
    assert np.array_equal(read(output), np.asarray(expected))


def test_a_texture_s_path_is_printed(texture_calls, tmp_path, capsys):
    output = tmp_path / "out.jpg"
    assert command(capsys, "texture", "a.png", "-o", output) == (0, f"{output}: 24 x 16 pixels, 2 steps, 0.2 s\n", "")
    assert listing(tmp_path) == ["out.jpg"] and texture_calls == [(Path("a.png"), {})]


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--size", "64"], {"size": 64}),
        (["--size", "64,96"], {"size": [64, 96]}),
        (["--size", " 64, 96"], {"size": [64, 96]}),
        (["--tileable"], {"tileable": True}),
        (["--no-tileable"], {"tileable": False}),
        (["--method", "gatys"], {"method": "gatys"}),
        (["--method", "gatys=1,histogram=2"], {"method": {"gatys": 1.0, "histogram": 2.0}}),
        (["--scales", "32,64"], {"scales": [32, 64]}),
        (["--style-layers", "block1_conv1=2"], {"style_layers": {"block1_conv1": 2.0}}),
    ],
    ids=" ".join,
)
def test_an_option_of_a_texture_arrives(arguments, options, texture_calls, tmp_path, capsys):
    assert given_texture(capsys, texture_calls, tmp_path, *arguments) == options


def test_the_command_line_wins_over_the_config_of_a_texture(texture_calls, tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text("size: [64, 96]\ntileable: true\nsteps: 5\n")
    options = given_texture(capsys, texture_calls, tmp_path, "--config", config, "--size", "32", "--no-tileable")
    assert options == {"size": 32, "tileable": False, "steps": 5}


def test_a_texture_stops_at_an_interrupt(monkeypatch, tmp_path, capsys):
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupted(exemplar, *, callbacks):
        signal.raise_signal(signal.SIGINT)
        assert callbacks[0](None) is True
        return TransferResult(np.zeros((16, 24, 3), np.float32), {"loss": [1.0]}, {"steps": 5}, 0.25, stopped=True)

    monkeypatch.setattr(texture, "synthesize_texture", interrupted)
    status, out, err = command(capsys, "texture", "a.png", "-o", tmp_path / "out.png")
    assert (status, err) == (130, "") and "1 steps of 5, interrupted" in out and listing(tmp_path) == ["out.png"]


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
        ("style_loss", "degree=3,offset=0.5", {"degree": 3.0, "offset": 0.5}),
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
        ("method", "gatys=1,moments=0.5", {"gatys": 1.0, "moments": 0.5}),
        ("method", "gatys=1", {"gatys": 1.0}),
        ("photorealism_weight", "100", 100.0),
        ("balance", "gradient", "gradient"),
        ("content_masks", "labels.png", "labels.png"),
        ("content_masks", "a.png,b.png", ["a.png", "b.png"]),
        ("content_masks", "sky=a.png, land=b.png", {"sky": "a.png", "land": "b.png"}),
        ("content_masks", "sky = a=b.png", {"sky": "a=b.png"}),
        ("style_masks", "labels.png", "labels.png"),
        ("style_masks", "a.png,b.png", ["a.png", "b.png"]),
        ("style_masks", "sky=a.png", {"sky": "a.png"}),
    ],
)
def test_an_option_arrives_with_its_type(name, text, value, calls, tmp_path, capsys):
    options = given(capsys, calls, tmp_path, f"--{name.replace('_', '-')}", text)
    assert options == {name: value}
    assert type(options[name]) is type(value)


@pytest.mark.parametrize(("flag", "value"), [("--smooth", True), ("--no-smooth", False)])
def test_smooth_is_a_flag(flag, value, calls, tmp_path, capsys):
    assert given(capsys, calls, tmp_path, flag)["smooth"] is value


def test_a_flag_wins_over_the_config(calls, tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text("smooth: true\n")
    assert given(capsys, calls, tmp_path, "--config", config) == {"smooth": True}
    assert given(capsys, calls, tmp_path, "--config", config, "--no-smooth") == {"smooth": False}


@pytest.mark.parametrize("side", ["content", "style"])
def test_masks_have_a_singular(side, calls, tmp_path, capsys):
    assert given(capsys, calls, tmp_path, f"--{side}-mask", "sky=a.png") == {f"{side}_masks": {"sky": "a.png"}}


def test_masks_of_each_style(calls, tmp_path, capsys):
    """The option is repeated, and its kinds may differ."""
    repeated = ["--style-masks", "labels.png", "--style-mask", "sky=a.png", "--style-masks", "a.png,b.png"]
    options = given(capsys, calls, tmp_path, *repeated)
    assert options == {"style_masks": ["labels.png", {"sky": "a.png"}, ["a.png", "b.png"]]}


@pytest.mark.parametrize("name", ["a,b.png", "sky=a,b.png"])
def test_a_file_whose_name_looks_like_several_is_one(name, calls, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    assert given(capsys, calls, tmp_path, "--content-masks", name) == {"content_masks": name}


def test_the_command_line_wins_over_the_config(calls, tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text("size: 32\nsteps: 5\nstyle_layers: {block1_conv1: 2}\n")
    options = given(capsys, calls, tmp_path, "--config", config, "--steps", "7")
    assert options == {"size": 32, "steps": 7, "style_layers": {"block1_conv1": 2.0}}


def test_a_size_on_the_command_line_wins_over_the_scales_of_the_config(calls, tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text("size: 512\nscales: [128, 256, 512]\n")
    assert given(capsys, calls, tmp_path, "--config", config, "--size", "64") == {"size": 64}
    options = given(capsys, calls, tmp_path, "--config", config, "--size", "64", "--scales", "32,64")
    assert options == {"size": 64, "scales": [32, 64]}
    config.write_text("size: 512\nscales: 2\n")
    assert given(capsys, calls, tmp_path, "--config", config, "--size", "64") == {"size": 64, "scales": 2}


def test_bad_config_ends_in_one_line_without_work(calls, tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text("sise: 32\n")
    status, out, err = command(capsys, "transfer", "a", "b", "-o", tmp_path / "out.png", "--config", config)
    assert (status, out, calls) == (2, "", [])
    (line,) = err.splitlines()
    assert "config.yaml" in line and "unknown 'sise'" in line and "size" in line


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
        for variant, numbers in methods.get(name).variants.items():
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
        (["transfer", "a.png", "b.png", "-o", "out.png", "--smooth=3"], "--smooth"),
        (["transfer", "a.png", "b.png", "-o", "out.png", "--tileable"], "--tileable"),
        (["transfer", "a.png", "b.png", "-o", "out.png", "--content-mask", "a", "--content-masks", "b"], "2 times"),
        (["texture", "-o", "out.png"], "exemplar"),
        (["texture", "a.png"], "--output"),
        (["texture", "sky=a.png", "b.png", "-o", "out.png"], "expected REGION=FILE of all"),
        (["transfer", "a.png", "sky=b.png", "sky=c.png", "-o", "out.png"], "each region once"),
        (["texture", "a.png", "-o", "out.gif"], ".gif"),
        (["texture", "a.png", "-o", "out.png", "--quality", "0"], "quality"),
        (["texture", "a.png", "-o", "out.png", "--size", "64x96"], "64x96"),
        (["texture", "a.png", "-o", "out.png", "--content-weight", "1"], "--content-weight"),
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
import keras_style, keras_style.commands.main
lines = [["--version"], ["--help"], [], ["methods"], ["methods", "--json"], ["transfer", "--help"],
         ["texture", "--help"], ["transfer", "-x"], ["transfer", "missing.png", "missing.png", "-o", "out.png"],
         ["texture", "missing.png", "-o", "out.png"], ["presets"], ["train", "--help"], ["train", "missing.yaml"],
         ["translate", "missing.png", "-o", "out.png", "-m", "x"]]
for arguments in lines:
    sys.argv = ["keras-style", *arguments]
    try:
        keras_style.commands.main.main()
    except SystemExit as ended:
        print("status", ended.code or 0)
print("loaded", {"tensorflow", "keras"} & {*sys.modules})
"""
    finished = python(script)
    statuses = [line for line in finished.stdout.splitlines() if line.startswith(("status", "loaded"))]
    expected = (0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 0, 0, 2, 2)
    assert statuses == [*(f"status {number}" for number in expected), "loaded set()"], finished.stderr


def test_installed_command_runs_without_a_word_from_tensorflow(photograph_file, painting_file, tmp_path):
    line = [INSTALLED, "transfer", photograph_file, painting_file, "-o", "out.png", *as_arguments(FAST)]
    finished = subprocess.run(line, cwd=tmp_path, env=fresh_environment(), capture_output=True, text=True, timeout=120)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("out.png: 48 x 40 pixels, 3 steps")


@pytest.mark.integration
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
    assert read(tmp_path / "out.png").shape == (40, 48, 3)


@pytest.mark.integration
def test_a_terminal_that_is_closed_does_not_cost_the_picture(photograph_file, painting_file, tmp_path):
    """Its progress bar then writes to nowhere."""
    options = {**FAST, "optimizer": "adam", "steps": 1_000_000, "checkpoint": tmp_path / "run", "checkpoint_every": 1}
    options.pop("verbose")
    line = [INSTALLED, "transfer", photograph_file, painting_file, "-o", tmp_path / "out.png", *as_arguments(options)]
    ours, theirs = pty.openpty()
    files = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    takes_terminal = functools.partial(fcntl.ioctl, 0, termios.TIOCSCTTY, 0)
    running = subprocess.Popen(
        line, env=fresh_environment(), start_new_session=True, preexec_fn=takes_terminal, **files
    )
    os.close(theirs)
    try:
        shown = b""
        while not re.search(rb" [1-9]\d*/1000000 ", shown):
            shown += os.read(ours, 4096)
        os.close(ours)
        assert running.wait(60) == 128 + signal.SIGHUP
    finally:
        running.kill()
    assert read(tmp_path / "out.png").shape == (40, 48, 3)


def test_output_that_nobody_can_write_to_is_one_line():
    with open("/dev/full", "w") as full:
        finished = subprocess.run([INSTALLED, "methods"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (finished.returncode, finished.stderr) == (2, "keras-style: [Errno 28] No space left on device\n")
    running = subprocess.Popen([INSTALLED, "methods"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    running.stdout.close()  # as `head` does, at once
    assert running.communicate(timeout=60) == ("", "") and running.returncode == 1
