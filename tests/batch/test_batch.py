"""Whole batches: their arguments, what ends them, and what two workers leave when they are killed."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
from batch_pieces import Count, encoded, picture
from PIL import Image
from running import FAST, command, listing

import keras_style
from keras_style import Stylizer, images
from keras_style.batch import cluster, manifest, report, run
from keras_style.batch.batch_result import BatchResult
from keras_style.batch.folder import Folder, resolved
from keras_style.batch.report import Row
from keras_style.batch.worker import ATTEMPTS, Job, Worker
from keras_style.errors import InputError, StyleError
from keras_style.models.translation import translate

# Arguments


def batch(capsys, *arguments):
    return command(capsys, "batch", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["photos", "out"], "neither --model nor --style"),
        (["photos", "out", "--model", "x", "--style", "p.png"], "both --model and --style"),
        (["photos", "out", "--model", "x", "--size", "64"], "--model with options for --style: size"),
        (["photos", "out", "--style", "p.png", "--size", "1"], "size is 1"),
        (["photos", "out", "--style", "p.png"], "style: no such file: p.png"),
        (["photos", "out", "--model", "x"], "preset is 'x'"),
        (["photos", "out", "--model", "MODEL", "--format", "gif"], "format is 'gif'"),
        (["photos", "out", "--model", "MODEL", "--quality", "0"], "quality is 0"),
        (["photos", "out", "--model", "MODEL", "--workers", "0"], "workers is 0"),
        (["photos", "out", "--model", "MODEL", "--threads", "0"], "threads is 0"),
        (["photos", "out", "--model", "MODEL", "--gpus", "-1"], "gpus is -1"),
        (["photos", "photos/b.PNG/out", "--model", "MODEL"], "b.PNG/out cannot be made a directory"),
        (["nowhere", "out", "--model", "MODEL"], "no such file or folder: nowhere"),
        (["photos", "photos/out", "-r", "--model", "MODEL"], "where the pictures are"),
    ],
)
def test_mistakes_write_nothing(arguments, message, photos, model, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    status, out, err = batch(capsys, *[str(model) if each == "MODEL" else each for each in arguments])
    assert (status, out) == (2, "")
    assert message in err and err.count("\n") == 1
    assert listing(tmp_path) == ["photos"]


def test_options_of_a_method_come_from_a_file_too(photos, painting_file, tmp_path, monkeypatch, capsys):
    given = []

    def stand_in(*places, **options):
        given.append((places, options))
        return BatchResult([Row("a", "a", "failed")], "out", "out/report.csv", 1.0)

    monkeypatch.setattr("keras_style.batch.run", stand_in)
    (tmp_path / "c.yaml").write_text("method: histogram\nsize: 64\n")
    arguments = ["photos", "out", "--style", painting_file, "--config", tmp_path / "c.yaml", "--size", "32", "--quiet"]
    status, out, _ = batch(capsys, *arguments)
    assert (status, out) == (1, "out: 1 failed, 1.0 s; out/report.csv\n")
    places, options = given[0]
    assert places == ("photos", "out") and options["style"] == [str(painting_file)] and options["verbose"] == 0
    assert (options["model"].method, options["model"].size) == ("histogram", 32)
    (tmp_path / "c.yaml").write_text("content_masks: m.png\n")
    assert "unknown 'content_masks'" in batch(capsys, *arguments)[2]


def test_the_extra_is_named(monkeypatch, photos, model, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs the package ray: pip install 'keras-style\[batch\]'"):
        run(photos, tmp_path / "out", model=model)


@pytest.mark.parametrize(
    ("arguments", "workers"),
    [((None, 1, 0.0), 5), ((7, 1, 0.0), 7), ((None, 3, 0.0), 2), ((None, 1, 0.5), 4), ((2, 4, 1.0), 2)],
)
def test_as_many_workers_as_fit(monkeypatch, arguments, workers):
    small = {"CPU": 2.0, "memory": 3 * 2.0**30}
    large = {"CPU": 8.0, "GPU": 2.0, "memory": 9 * 2.0**30}
    machines = [(small, True), (large, True), (large, False)]
    fake = types.SimpleNamespace(nodes=lambda: [{"Resources": has, "Alive": alive} for has, alive in machines])
    monkeypatch.setitem(sys.modules, "ray", fake)
    assert cluster.crew(*arguments) == workers
    with pytest.raises(
        InputError, match="workers is 3, with threads 3 and gpus 1; expected at most 2, for 10 CPUs and 2 "
    ):
        cluster.crew(3, 3, 1.0)


# A whole batch, by a worker in this process


@pytest.fixture
def here(monkeypatch):
    """Replaces Ray; the list has what is to end the batch early, after that many pictures."""
    stops = []

    def answers(job, tasks, workers, gpus):
        worker = Worker(job, Count())
        for done, task in enumerate(tasks):
            if stops and done == stops[0][0]:
                raise stops.pop()[1]
            yield worker.answer(*task)

    monkeypatch.setattr(cluster, "connected", lambda address, cpus: contextlib.nullcontext())
    monkeypatch.setattr(cluster, "crew", lambda workers, threads, gpus: 1)
    monkeypatch.setattr(cluster, "answers", answers)
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "TF_FORCE_GPU_ALLOW_GROWTH"):
        monkeypatch.setenv(name, "1")
    return stops


@pytest.mark.integration
def test_interrupted_it_says_so_and_goes_on(here, photos, model, tmp_path, capsys, monkeypatch):
    arguments = [photos, tmp_path / "out", "-r", "--model", model, "--quiet"]
    here.append((1, KeyboardInterrupt()))
    status, out, err = batch(capsys, *arguments)
    assert (status, err) == (130, "")
    assert "1 done, 1 waiting, " in out and out.endswith(f" s, interrupted; {tmp_path / 'out' / 'report.csv'}\n")
    assert listing(tmp_path / "out") == ["b.png", "batch.json", "report.csv"]
    status, out, _ = batch(capsys, *arguments, "--json")
    told = json.loads(out)
    assert (status, told["done"], told["done_before"], told["failed"], told["waiting"]) == (0, 1, 1, 0, 0)

    def nothing_is_left(*_):
        raise AssertionError

    monkeypatch.setattr(cluster, "connected", nothing_is_left)
    status, out, _ = batch(capsys, *arguments)
    assert status == 0 and out.startswith(f"{tmp_path / 'out'}: 2 done before, ")
    status, _, err = batch(capsys, *arguments, "--format", "jpeg")
    assert status == 2 and 'format was "png", now "jpeg"; quality was null, now 95' in err


@pytest.mark.integration
def test_what_ends_a_batch_leaves_the_report(here, photos, model, tmp_path, capsys):
    here.append((1, StyleError("the workers are gone")))
    status, out, err = batch(capsys, photos, tmp_path / "out", "-r", "--model", model)
    assert (status, out, err) == (2, "", "keras-style: the workers are gone\n")
    read = csv.DictReader((tmp_path / "out" / report.FILE).read_text(encoding="utf-8").splitlines())
    assert [row["status"] for row in read] == ["done", "waiting"]


def test_from_store_to_store(here, memory, model, generator):
    memory.pipe_file("/photos/sub/a.png", encoded(picture(4)))
    result = run(
        "memory://photos", "memory://paintings", model=model, recursive=True, format="webp", quality=90, verbose=0
    )
    assert (result.output, result.report) == ("memory:///paintings", "memory:///paintings/report.csv")
    assert statuses(result.rows) == {"sub/a.png": "done"}
    assert memory.cat_file("/paintings/sub/a.webp") == images.encode(translate(generator, picture(4)), "webp", 90)
    assert memory.exists("/paintings/report.csv")


# Two workers


@pytest.fixture(scope="module")
def ray():
    """One Ray for all, which other processes find by its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(keras_style.__file__).parents[1]))
        patch.setenv("RAY_worker_niceness", "0")  # or on a busy machine the workers would wait for everything else
        patch.setenv("CUDA_VISIBLE_DEVICES", "-1")
        for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
            patch.setenv(name, "")  # so that what is set now is undone
            patch.delenv(name)
        with cluster.connected(None, 2):
            import ray

            yield ray


def statuses(rows):
    return {row.input: row.status for row in rows}


@pytest.mark.integration
def test_killed_in_the_middle_it_goes_on(ray, model, generator, tmp_path, capsys):
    photos, output = tmp_path / "photos", tmp_path / "out"
    (photos / "sub").mkdir(parents=True)
    good = [f"{'sub/' if number % 3 else ''}{number:02}.{'jpg' if number % 2 else 'png'}" for number in range(40)]
    for number, name in enumerate(good):
        sides = 300 + number % 3, 400
        (photos / name).write_bytes(encoded(picture(number, *sides), "JPEG" if name.endswith("jpg") else "PNG"))
    whole = (photos / good[1]).read_bytes()
    bad = {"cut.jpg": whole[: len(whole) // 2], "sub/text.png": b"hello", "empty.png": b""}
    for name, data in bad.items():
        (photos / name).write_bytes(data)

    address = ray.get_runtime_context().gcs_address
    line = [sys.executable, "-m", "keras_style", "batch", photos, output, "-r", "--model", model, "--workers", "2"]
    log = tmp_path / "log"
    with log.open("w") as file:
        killed = subprocess.Popen([*map(str, line), "--address", address, "--quiet"], stdout=file, stderr=file)
    deadline = time.monotonic() + 300
    while len(list(output.rglob("*.png"))) < 4:
        assert killed.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    while ray.available_resources().get("CPU") != 2:  # its workers die with it
        assert time.monotonic() < deadline
        time.sleep(0.2)
    finished = {file.relative_to(output).as_posix(): file.stat() for file in output.rglob("*.png")}
    assert 4 <= len(finished) < len(good)
    assert not (output / report.FILE).exists()

    status, out, err = batch(capsys, photos, output, "-r", "--model", model, "--workers", 2, "--quiet")
    assert (status, err) == (1, "")
    assert out.startswith(f"{output}: {len(good) - len(finished)} done, {len(finished)} done before, 3 failed, ")
    for name, before in finished.items():
        now = (output / name).stat()
        assert (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns), name
    rows = {
        row["input"]: row for row in csv.DictReader((output / report.FILE).read_text(encoding="utf-8").splitlines())
    }
    assert list(rows) == sorted([*good, *bad])
    for name in good:
        made = os.path.splitext(name)[0] + ".png"
        assert rows[name]["output"] == made
        assert rows[name]["status"] == ("done before" if made in finished else "done")
        assert bool(rows[name]["seconds"]) == (made not in finished) and not rows[name]["error"]
        with Image.open(output / made) as written:
            written.load()
    for name in bad:
        assert rows[name]["status"] == "failed" and rows[name]["error"].startswith("picture: "), name
    left = {file.relative_to(output).as_posix() for file in output.rglob("*") if file.is_file()}
    assert left == {os.path.splitext(name)[0] + ".png" for name in good} | {manifest.FILE, report.FILE}

    # Another number of workers, another order: the same bytes.
    alone = run(photos, tmp_path / "alone", model=model, recursive=True, workers=1, verbose=0)
    assert statuses(alone.rows) == {**dict.fromkeys(good, "done"), **dict.fromkeys(bad, "failed")}
    for name in good:
        made = os.path.splitext(name)[0] + ".png"
        assert (tmp_path / "alone" / made).read_bytes() == (output / made).read_bytes(), name


@pytest.mark.slow
def test_a_picture_that_kills_its_worker_does_not_stop_the_others(ray, model, tmp_path):
    class Deadly:  # local, so that it is sent to the workers with its code
        at_once = 2
        settings = {}  # noqa: RUF012

        def open(self):
            return lambda array: os.kill(os.getpid(), signal.SIGKILL) if array.shape[0] == 33 else 1 - array

    photos, output = tmp_path / "photos", Folder(*resolved("output", tmp_path / "out"))
    photos.mkdir()
    output.make()
    names = [f"{number}.png" for number in range(8)]
    for number, name in enumerate(names):
        (photos / name).write_bytes(encoded(picture(number, 33 if number == 3 else 30, 40)))
    written, _ = manifest.claim(output, {}, names)
    job = Job(Deadly(), Folder(*resolved("pictures", photos)), output, written, "png", 95, 1)
    tasks = [(number, name, name) for number, name in enumerate(names)]
    told = {number: (status, error) for number, status, error, _ in cluster.answers(job, tasks, 2, 0)}
    assert told.pop(3) == (
        "failed",
        f"{ATTEMPTS} workers were killed while they worked on it; the memory may not suffice",
    )
    assert told == dict.fromkeys({0, 1, 2, 4, 5, 6, 7}, ("done", ""))
    assert output.names() == {manifest.FILE, *names} - {"3.png"}


@pytest.mark.slow
def test_what_no_worker_can_open_ends_the_batch_in_one_line(ray, photos, tmp_path):
    (tmp_path / "x.keras").write_bytes(b"no model")
    with pytest.raises(StyleError, match=r"x\.keras"):
        run(photos, tmp_path / "out", model=tmp_path / "x.keras", workers=1)
    assert "b.PNG,b.png,waiting" in (tmp_path / "out" / report.FILE).read_text()
    with pytest.raises(InputError, match="workers is 3, with threads 1; expected at most 2, for 2 CPUs on 1 machine"):
        run(photos, tmp_path / "out", model=tmp_path / "x.keras", workers=3)
    with pytest.raises(InputError, match="Ray runs in this process already"):
        run(photos, tmp_path / "out", model=tmp_path / "x.keras", address="auto")


@pytest.mark.slow
def test_a_method_on_two_workers(ray, photos, painting_file, tmp_path):
    stylizer = Stylizer(**{name: value for name, value in FAST.items() if name != "verbose"})
    result = run(photos, tmp_path / "out", model=stylizer, style=painting_file, recursive=True, workers=2, verbose=0)
    assert statuses(result.rows) == {"b.PNG": "done", "sub/a.jpg": "done"}
    expected = stylizer(photos / "b.PNG", painting_file, verbose=0).array
    assert np.abs(images.load(tmp_path / "out" / "b.png") - expected).max() < 2 / 255  # other threads, other last bits
