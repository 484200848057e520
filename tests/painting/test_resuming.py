"""A killed run, started again, ends in the picture of the run that was never killed."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from picture_files import read
from running import FAST, as_arguments, command, eagerly, listing

from keras_style import transfer
from keras_style.errors import CheckpointError

OPTIMIZERS = ("adam", "lbfgs")
TWO_SCALES = {**FAST, "scales": [24, 48], "steps": 5}
THREE_SCALES = {**FAST, "scales": [24, 32, 48], "preserve_color": "luminance"}

# Paints with a checkpoint, slowly, and from one step on waits for the signal that ends it.
DOOMED = """
import json, sys, time
from keras_style import transfer

content, style, options, last = json.loads(sys.argv[1])

def dawdle(iterate):
    time.sleep(0.01)
    while iterate.step >= last:
        time.sleep(1)

transfer(content, style, callbacks=[dawdle], **options)
"""


def kill_after(saves: int, delay: float, last: int, content: Path, style: Path, options: dict) -> None:
    """Start a run that gets no further than step `last`; kill it, `delay` seconds after it has saved `saves` times."""
    file = Path(options["checkpoint"]) / "checkpoint.npz"

    def version():
        try:
            return os.stat(file).st_ino, os.stat(file).st_mtime_ns
        except FileNotFoundError:
            return None

    seen = version()
    given = json.dumps([str(content), str(style), options, last])
    running = subprocess.Popen([sys.executable, "-c", DOOMED, given])
    try:
        deadline = time.monotonic() + 100
        progress = float("inf")
        while saves and time.monotonic() < progress + 1:  # polling can miss saves; then it waits at `last` by now
            assert running.poll() is None and time.monotonic() < deadline
            if version() != seen:
                saves, seen, progress = saves - 1, version(), time.monotonic()
            time.sleep(0.001)
        time.sleep(delay)
        assert running.poll() is None
    finally:
        running.kill()
        running.wait()
    assert running.returncode == -signal.SIGKILL


def saved_at(directory: Path) -> tuple[int, int]:
    with np.load(directory / "checkpoint.npz") as file:
        about = json.loads(str(file["about"]))
    return about["stage"], about["step"]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("optimizer", "steps", "kills"),
    [
        ("adam", 90, [(9, 1, 29), (9, 2, 59), (9, 3, 89)]),
        ("lbfgs", 24, [(5, 1, 7), (3, 2, 15), (3, 2, 23)]),
    ],
    ids=["adam", "lbfgs"],
)
def test_killed_runs_end_in_the_same_bits(optimizer, steps, kills, photograph_file, painting_file, tmp_path):
    """Kills: after how many saves at most, checkpoint_every, the step beyond which that run does not get."""
    options = {**THREE_SCALES, "optimizer": optimizer, "steps": steps}
    whole = transfer(photograph_file, painting_file, **options)

    random = np.random.default_rng(0)
    stages = [(0, 0)]
    for most_saves, every, last in kills:
        saves, delay = int(random.integers(1, most_saves, endpoint=True)), random.uniform(0, 0.1)
        doomed = {**options, "checkpoint": str(tmp_path / "run"), "checkpoint_every": every}
        kill_after(saves, delay, last, photograph_file, painting_file, doomed)
        stages.append(saved_at(tmp_path / "run"))
    assert stages == sorted(set(stages)) and stages[-1] < (3, 0)  # each got further, none to the end

    taken = []
    options |= {"checkpoint": tmp_path / "run", "callbacks": [lambda iterate: taken.append(iterate.step)]}
    resumed = transfer(photograph_file, painting_file, **options)
    assert np.array_equal(resumed.array, whole.array)
    assert resumed.history == whole.history and resumed.steps == steps
    stage, step = stages[-1]
    assert taken == list(range(stage * steps // 3 + step + 1, steps + 1))  # only what was missing


# In one process


@pytest.fixture(scope="module")
def finished(photograph, painting, tmp_path_factory):
    """A directory with the checkpoint of a finished run, and its result."""
    directory = tmp_path_factory.mktemp("finished") / "run"
    return directory, transfer(photograph, painting, **FAST, checkpoint=directory)


@pytest.fixture
def checkpoint_file(finished, tmp_path):
    """A copy of that checkpoint, to be damaged."""
    return shutil.copytree(finished[0], tmp_path / "run") / "checkpoint.npz"


@pytest.fixture(scope="module")
@eagerly()
def whole(photograph, painting):
    """Results of runs without interruption."""
    return {optimizer: transfer(photograph, painting, **TWO_SCALES, optimizer=optimizer) for optimizer in OPTIMIZERS}


def untouchable(iterate):
    raise AssertionError("a step was taken")


@eagerly()
@pytest.mark.parametrize(
    ("optimizer", "stop"),
    [
        ("adam", 3),
        *(pytest.param("adam", step, marks=pytest.mark.integration) for step in (2, 4, 5)),
        ("lbfgs", 2),
        *(pytest.param("lbfgs", step, marks=pytest.mark.integration) for step in (3, 4)),
    ],  # 3 and 5 end a scale
)
def test_a_stopped_run_goes_on(photograph, painting, tmp_path, whole, optimizer, stop):
    options = {**TWO_SCALES, "optimizer": optimizer, "checkpoint": tmp_path / "run"}
    part = transfer(photograph, painting, **options, callbacks=[lambda iterate: iterate.step == stop])
    assert part.stopped and part.steps == stop
    resumed = transfer(photograph, painting, **options)
    assert np.array_equal(resumed.array, whole[optimizer].array)
    assert resumed.history == whole[optimizer].history and not resumed.stopped


def test_a_checkpoint_changes_nothing(photograph, painting, finished):
    _, result = finished
    plain = transfer(photograph, painting, **FAST)
    assert np.array_equal(plain.array, result.array) and plain.history == result.history


def test_a_finished_checkpoint_returns_its_result_at_once(photograph, painting, finished):
    directory, result = finished
    again = transfer(photograph, painting, **FAST, checkpoint=directory, callbacks=[untouchable])
    assert np.array_equal(again.array, result.array)
    assert (again.history, again.settings, again.stopped) == (result.history, result.settings, False)


def test_what_does_not_change_the_picture_is_not_compared(photograph, painting, finished):
    directory, result = finished
    other = {**FAST, "verbose": 1, "checkpoint_every": 1, "callbacks": [untouchable, untouchable]}
    assert np.array_equal(transfer(photograph, painting, **other, checkpoint=str(directory)).array, result.array)


@pytest.mark.parametrize(
    ("change", "follow"),
    [
        ({"variant": "reference"}, ["style_weight", "tv_weight", "style_layers", "backbone"]),
        ({"size": 64}, ["scales", "content", "style"]),
        ({"scales": [24, 48]}, []),
        ({"steps": 4}, []),
        ({"optimizer": "adam"}, []),
        ({"content_weight": 2.0}, []),
        ({"style_weight": 2.0}, []),
        ({"tv_weight": 0.0}, []),
        ({"content_layers": ["block1_conv1"]}, []),
        ({"style_layers": ["block1_conv1"]}, []),
        ({"style_scale": 0.9}, ["style"]),
        ({"init": "noise"}, []),
        ({"preserve_color": "match"}, []),
        ({"backbone": "vgg16_imagenet_full"}, []),
        ({"pooling": "average"}, []),
        ({"seed": 1}, []),
    ],
    ids=str,
)
def test_another_argument_is_refused_by_name(photograph, painting, finished, change, follow):
    directory, result = finished
    with pytest.raises(CheckpointError) as caught:
        transfer(photograph, painting, **{**FAST, **change}, checkpoint=directory, callbacks=[untouchable])
    message = str(caught.value)
    (name,) = change
    assert str(directory) in message and "\n" not in message
    assert f"{name} was {json.dumps(result.settings[name])[:50]}" in message
    named = set(re.findall(r"(\w+) was ", message))
    assert {name} <= named <= {name, *follow}


def test_other_pictures_are_refused_by_name(photograph, painting, finished):
    directory, _ = finished
    darker = photograph * 0.99
    for name, content, style in [("content", darker, painting), ("style", photograph, painting[::-1])]:
        with pytest.raises(CheckpointError, match=f"other arguments: {name} was .*, now ") as caught:
            transfer(content, style, **FAST, checkpoint=directory)
        assert str(caught.value).count(" was ") == 1
    with pytest.raises(CheckpointError, match="style was"):
        transfer(photograph, [painting, painting], **FAST, checkpoint=directory)


@eagerly()
def test_another_starting_image_is_refused(photograph, painting, tmp_path):
    start = {**FAST, "checkpoint": tmp_path / "run"}
    first = transfer(photograph, painting, **start, init=photograph)
    assert np.array_equal(transfer(photograph, painting, **start, init=photograph.copy()).array, first.array)
    with pytest.raises(CheckpointError, match="init was"):
        transfer(photograph, painting, **start, init=photograph[:, ::-1])


@eagerly()
def test_other_weights_of_the_same_name_are_refused(photograph, painting, tmp_path, backbone):
    options = {**FAST, "checkpoint": tmp_path / "run"}
    first = transfer(photograph, painting, **options, backbone=backbone)
    again = transfer(photograph, painting, **options, backbone=backbone, callbacks=[untouchable])
    assert np.array_equal(again.array, first.array)
    doubled = {name: (2 * kernel, bias) for name, (kernel, bias) in backbone.kernels.items()}
    with pytest.raises(CheckpointError, match="backbone was"):
        transfer(photograph, painting, **options, backbone=dataclasses.replace(backbone, kernels=doubled))


@eagerly()
def test_the_same_pixels_from_a_file_are_the_same_arguments(photograph_file, painting_file, tmp_path):
    options = {**FAST, "checkpoint": tmp_path / "run"}
    first = transfer(photograph_file, painting_file, **options)
    content, style = (read(path) for path in (photograph_file, painting_file))
    assert np.array_equal(transfer(content, style, **options, callbacks=[untouchable]).array, first.array)


@pytest.mark.parametrize("keep", [0, 100, 0.5, -1], ids=["nothing", "100 bytes", "half", "all but a byte"])
def test_a_cut_checkpoint_is_refused(photograph, painting, checkpoint_file, keep):
    data = checkpoint_file.read_bytes()
    checkpoint_file.write_bytes(data[: int(len(data) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(CheckpointError, match=r"cannot be read as a checkpoint .*; delete it to start again") as caught:
        transfer(photograph, painting, **FAST, checkpoint=checkpoint_file.parent)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["an array", "of another program", "a flipped byte"])
def test_a_damaged_checkpoint_is_refused(photograph, painting, checkpoint_file, damage):
    match damage:
        case "an array":
            with checkpoint_file.open("wb") as stream:
                np.save(stream, photograph)
        case "of another program":
            np.savez(checkpoint_file, about=np.array("[]"), image=photograph)
        case "a flipped byte":
            data = bytearray(checkpoint_file.read_bytes())
            data[data.index(b"PK\x01\x02") + 10] ^= 0x55  # the compression method, in the directory at the end
            checkpoint_file.write_bytes(data)
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        transfer(photograph, painting, **FAST, checkpoint=checkpoint_file.parent)


def test_a_directory_that_cannot_be_made_is_refused(photograph, painting, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for directory in (tmp_path / "file" / "run", tmp_path / "file"):
        with pytest.raises(CheckpointError, match="cannot be made a directory"):
            transfer(photograph, painting, **FAST, checkpoint=directory)


def test_command_line_goes_on_and_refuses(photograph_file, painting_file, tmp_path, capsys):
    line = ["transfer", photograph_file, painting_file, "-o", tmp_path / "out.png"]
    options = {**FAST, "checkpoint": tmp_path / "run"}
    assert command(capsys, *line, *as_arguments(options))[0] == 0
    picture = (tmp_path / "out.png").read_bytes()
    (tmp_path / "out.png").unlink()
    assert command(capsys, *line, *as_arguments(options))[0] == 0
    assert (tmp_path / "out.png").read_bytes() == picture
    status, out, err = command(capsys, *line, *as_arguments({**options, "steps": 4}))
    assert (status, out) == (2, "")
    (message,) = err.splitlines()
    assert "steps was 3, now 4" in message and listing(tmp_path / "run") == ["checkpoint.npz"]
