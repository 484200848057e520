"""Batches: what is found and refused, what a worker answers, and what two of them leave when they are killed."""

import contextlib
import csv
import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image
from running import FAST, command, listing

import keras_style
from keras_style import Stylizer, images
from keras_style.batch import cluster, manifest, pictures, report, run
from keras_style.batch.batch_progress import BatchProgress
from keras_style.batch.batch_result import BatchResult
from keras_style.batch.folder import Folder, resolved
from keras_style.batch.report import Row
from keras_style.batch.work import Exported, Painting, Translation, bound
from keras_style.batch.worker import ATTEMPTS, FATAL, Job, Worker
from keras_style.errors import InputError, MissingFileError, StyleError
from keras_style.internal.tensorflow import tf
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.translation import translate

ELSEWHERE = Folder(MemoryFileSystem(), "/elsewhere")


def picture(seed, height=18, width=21):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encoded(array, format="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def generator():
    return ResNetGenerator(blocks=0, filters=2, seed=1)


@pytest.fixture(scope="module")
def model(generator, tmp_path_factory):
    file = tmp_path_factory.mktemp("model") / "generator.keras"
    generator.save(file)
    return file


@pytest.fixture
def photos(tmp_path):
    """Two pictures, one of them in a folder, beside files that are not meant."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("b.PNG", "sub/a.jpg", ".hidden/c.png", ".d.png"):
        (folder / name).write_bytes(encoded(picture(0), "JPEG" if name.endswith("jpg") else "PNG"))
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    return fs


# Which pictures


@pytest.mark.parametrize(
    ("given", "recursive", "names"),
    [
        ("photos", False, ["b.PNG"]),
        ("photos", True, ["b.PNG", "sub/a.jpg"]),
        ("photos/*.PNG", False, ["b.PNG"]),
        ("photos/**/*", False, ["b.PNG", "sub/a.jpg"]),
        ("photos/*/[ab].jpg", False, ["sub/a.jpg"]),
        ("photos/notes.txt", False, ["notes.txt"]),
    ],
)
def test_pictures_of_a_folder_a_pattern_and_a_file(photos, monkeypatch, given, recursive, names):
    monkeypatch.chdir(photos.parent)
    folder, found = pictures.find(given, recursive, ELSEWHERE)
    assert (str(folder), found) == (str(photos), names)


@pytest.mark.parametrize(
    ("given", "recursive", "names"),
    [
        ("memory://bucket/photos", False, ["b.png"]),
        ("memory://bucket/photos/", True, ["b.png", "sub/a.jpg"]),
        ("memory://bucket/photos/**/*.jpg", False, ["sub/a.jpg"]),
        ("memory://bucket/photos/b.png", False, ["b.png"]),
    ],
)
def test_pictures_of_a_store(memory, given, recursive, names):
    for name in ("b.png", "sub/a.jpg", "notes.txt"):
        memory.pipe_file(f"/bucket/photos/{name}", b"x")
    folder, found = pictures.find(given, recursive, Folder(memory, "/bucket/paintings"))
    assert (str(folder), found) == ("memory:///bucket/photos", names)
    assert folder.read(found[0]) == b"x"


def test_pictures_that_are_not_there(photos):
    with pytest.raises(MissingFileError, match=r"no such file or folder: .*nowhere"):
        pictures.find(photos / "nowhere", False, ELSEWHERE)
    with pytest.raises(InputError, match=r"holds no picture; expected files that end in \.png"):
        pictures.find(photos / "*.txt", False, ELSEWHERE)
    with pytest.raises(InputError, match="pictures: nothing://x cannot be reached: Protocol not known: nothing"):
        pictures.find("nothing://x", False, ELSEWHERE)


def test_outputs_keep_names_and_folders():
    assert pictures.outputs(["a.b.jpg", "sub/a.png", "a.png"], ".webp") == ["a.b.webp", "sub/a.webp", "a.webp"]
    with pytest.raises(InputError, match=r"s/a.jpg and s/a.png would both become s/a.png; expected different names"):
        pictures.outputs(["a.png", "s/a.jpg", "s/a.png"], ".png")


@pytest.mark.parametrize(
    ("given", "recursive", "output", "fits"),
    [
        ("photos", False, "photos", False),
        ("photos", True, "photos/out", False),
        ("photos/**/*.jpg", False, "photos/out", False),
        ("photos/b.PNG", False, "photos", False),
        ("photos", False, "photos/out", True),
        ("photos/*.PNG", False, "photos/out", True),
        ("photos", True, "photos_out", True),
    ],
)
def test_outputs_are_not_the_pictures_of_the_next_time(photos, monkeypatch, given, recursive, output, fits):
    monkeypatch.chdir(photos.parent)
    target = Folder(*resolved("output", output))
    if fits:
        assert pictures.find(given, recursive, target)[1]
    else:
        with pytest.raises(InputError, match="where the pictures are; expected another folder"):
            pictures.find(given, recursive, target)


# Folders, manifest, report


class Renaming(MemoryFileSystem):
    """A store where a file can be seen while it is written; it says what was done."""

    protocol = "renaming"
    done: list = []  # noqa: RUF012

    def pipe_file(self, path, value, mode="overwrite", **options):
        self.done.append(("put", path))
        super().pipe_file(path, value, mode, **options)

    def mv(self, path1, path2, **options):
        self.done.append(("move", path1, path2))
        super().mv(path1, path2, **options)


def test_files_appear_whole(memory, tmp_path):
    fs = Renaming()
    folder = Folder(fs, "/out")
    folder.write("sub/a.png", b"whole")
    (put, beside), moved = fs.done
    assert (put, moved) == ("put", ("move", beside, "/out/sub/a.png"))
    assert beside.startswith("/out/sub/.") and beside.endswith(".tmp")
    assert folder.names() == {"sub/a.png"} and folder.read("sub/a.png") == b"whole"

    local = Folder(*resolved("output", tmp_path))
    local.write("sub/a.png", b"whole")
    assert local.names() == {"sub/a.png"} and local.read("sub/a.png") == b"whole" and local.read("b") is None


def test_a_folder_is_made_but_not_its_parent(tmp_path):
    Folder(*resolved("output", tmp_path / "new")).make()
    assert (tmp_path / "new").is_dir()
    with pytest.raises(MissingFileError, match=r"output: no such directory: .*/no"):
        Folder(*resolved("output", tmp_path / "no" / "new")).make()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file cannot be made a directory"):
        Folder(*resolved("output", tmp_path / "file")).make()


@pytest.fixture(params=["disk", "store"])
def target(request, tmp_path, memory):
    folder = Folder(*resolved("output", tmp_path / "out" if request.param == "disk" else "memory://out"))
    folder.make()
    return folder


def test_a_folder_belongs_to_one_batch(target):
    settings = {"model": "1234", "layers": ("a", "b"), "quality": None}
    written, finished = manifest.claim(target, settings, ["a.png", "sub/b.png"])
    assert finished == set() and target.read(manifest.FILE) == written
    half = f".{'0a' * 8}.tmp"
    for name in ("sub/b.png", "other.png", f"sub/{half}", half):
        target.write(name, b"x")
    assert manifest.claim(target, settings, ["a.png", "sub/b.png"]) == (written, {"sub/b.png"})
    assert target.names() == {manifest.FILE, "sub/b.png", "other.png"}
    with pytest.raises(
        InputError, match='of a batch with other settings: model was "1234", now "5678"; quality was nu'
    ):
        manifest.claim(target, {**settings, "model": "5678", "quality": 3}, ["a.png"])
    target.write(manifest.FILE, b"{}")
    with pytest.raises(InputError, match=r"batch.json is damaged; expected the settings"):
        manifest.claim(target, settings, ["a.png"])


def test_files_of_no_batch_are_not_taken_for_finished(target):
    target.write("a.png", b"x")
    with pytest.raises(InputError, match=r"holds a.png but no batch.json"):
        manifest.claim(target, {}, ["a.png", "b.png"])
    assert target.names() == {"a.png"}
    assert manifest.claim(target, {}, ["b.png"])[1] == set()


def test_the_report_can_be_read_whatever_names_and_errors_hold():
    odd = os.fsdecode(b'a,"\n\xff.png')
    rows = [Row(odd, "b.png", report.FAILED, 'no "picture",\nthis', 0.25), Row("c.png", "c.png")]
    written = report.encoded(rows)
    read = list(csv.DictReader(io.StringIO(written.decode("utf-8", "surrogateescape"), newline="")))
    assert read[0] == {
        "input": odd,
        "output": "b.png",
        "status": "failed",
        "error": 'no "picture",\nthis',
        "seconds": "0.25",
    }
    assert read[1] == {"input": "c.png", "output": "c.png", "status": "waiting", "error": "", "seconds": ""}


def test_a_result_counts():
    rows = [Row("a", "a", "done"), Row("b", "b", "failed"), Row("c", "c", "done"), Row("d", "d", "done before")]
    result = BatchResult(rows, "out", "out/report.csv", 2.0)
    assert [row.input for row in result.failed] == ["b"]
    assert result.summary() == {
        "output": "out",
        "report": "out/report.csv",
        "done": 2,
        "done_before": 1,
        "failed": 1,
        "waiting": 0,
        "seconds": 2.0,
        "stopped": False,
    }
    assert str(result) == "out: 2 done, 1 done before, 1 failed, 2.0 s"


def test_progress_tells_the_time_left(capsys, monkeypatch):
    clock = iter([0.0, 20.0, 24.0, 32.0])
    monkeypatch.setattr("keras_style.batch.batch_progress.time.monotonic", lambda: next(clock))
    with BatchProgress(9, verbose=1) as progress:
        for failed in (False, True, False):
            progress(failed)
    assert capsys.readouterr().err == "1/9, 0 failed, ? left\n3/9, 1 failed, 0:00:36 left\n"
    monkeypatch.undo()
    with BatchProgress(9, verbose="auto") as progress:
        progress(False)
    assert capsys.readouterr().err == ""


# Work


def test_a_generator_is_opened_from_what_was_sent(generator, model, tmp_path):
    moved = tmp_path / "gone.keras"
    moved.write_bytes(model.read_bytes())
    work = bound(moved, "a2b", ())
    moved.unlink()
    shown = picture(1) / np.float32(255)
    np.testing.assert_array_equal(work.open()(shown), translate(generator, shown))
    assert work.settings == bound(model, "a2b", ()).settings
    other = tmp_path / "other.keras"
    ResNetGenerator(blocks=0, filters=2, seed=2).save(other)
    assert bound(other, "a2b", ()).settings["model"] != work.settings["model"]


class Inverted(tf.Module):
    def __init__(self):
        super().__init__()
        self.one = tf.Variable(1.0)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32, name="image")])
    def invert(self, image):
        return {"image": self.one - image}

    @tf.function(input_signature=[tf.TensorSpec((), tf.float32, name="x")])
    def other(self, x):
        return {"y": x}


def test_a_saved_model_by_its_signature(tmp_path):
    module = Inverted()
    tf.saved_model.save(module, tmp_path / "1", signatures=module.invert)
    work = bound(tmp_path / "1", "a2b", ())
    assert isinstance(work, Exported)
    shown = picture(2) / np.float32(255)
    np.testing.assert_array_equal(work.open()(shown), 1 - shown)
    tf.saved_model.save(module, tmp_path / "2", signatures=module.other)
    with pytest.raises(InputError, match="serving_default takes x; expected image"):
        bound(tmp_path / "2", "a2b", ()).open()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no")
    with pytest.raises(InputError, match="the SavedModel cannot be opened"):
        bound(tmp_path / "1", "a2b", ()).open()


def test_a_method_paints_as_it_does_alone(photograph, painting_file, photograph_file, tmp_path):
    options = {**{name: value for name, value in FAST.items() if name != "verbose"}, "init": photograph_file}
    stylizer = Stylizer(**options)
    work = bound(stylizer, "a2b", [painting_file])
    assert isinstance(work, Painting)
    expected = stylizer(photograph, painting_file, verbose=0).array
    np.testing.assert_array_equal(work.open()(photograph), expected)

    same = bound(Stylizer(**options), "a2b", [painting_file])
    assert same.settings == work.settings
    for changed in ({"size": 40}, {"init": painting_file}, {"seed": 1}, {"style_weight": 2}):
        assert bound(Stylizer(**{**options, **changed}), "a2b", [painting_file]).settings != work.settings, changed
    assert bound(stylizer, "a2b", [photograph_file]).settings != work.settings


def test_works_that_are_refused(model, painting_file, photos, tmp_path):
    with pytest.raises(InputError, match="style with the model"):
        bound(model, "a2b", [painting_file])
    with pytest.raises(InputError, match="style is not given"):
        bound(Stylizer(), "a2b", ())
    with pytest.raises(MissingFileError, match=r"style: no such file: nowhere\.png"):
        bound(Stylizer(), "a2b", ["nowhere.png"])
    with pytest.raises(InputError, match=r"style .*notes\.txt: a BytesIO is not an image"):
        bound(Stylizer(), "a2b", [photos / "notes.txt"])
    with pytest.raises(InputError, match="has a Keras optimizer"):
        bound(Stylizer(optimizer=keras_style.internal.tensorflow.keras.optimizers.SGD()), "a2b", [painting_file])
    with pytest.raises(InputError, match="model is of type int"):
        bound(3, "a2b", ())
    with pytest.raises(MissingFileError, match=r"no such file: x\.keras"):
        bound("x.keras", "a2b", ())


# A worker


class Count:
    """What counts attempts, in one process."""

    def __init__(self, already=0):
        self.already, self.begun = already, []

    def __call__(self, number):
        self.begun.append(number)
        return self.already + 1


@pytest.fixture
def job(target, model, photos, monkeypatch):
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "TF_FORCE_GPU_ALLOW_GROWTH"):
        monkeypatch.setenv(name, "1")  # so that what the worker sets is undone
    work = bound(model, "a2b", ())
    source = Folder(*resolved("pictures", photos))
    return lambda **changes: Job(
        **{
            "work": work,
            "source": source,
            "target": target,
            "manifest": manifest.claim(target, work.settings, [])[0],
            "format": "png",
            "quality": 95,
            "threads": 1,
            **changes,
        }
    )


@pytest.mark.parametrize(("format", "suffix"), [("png", "png"), ("jpeg", "jpg")])
def test_a_worker_makes_a_picture_once(job, generator, photos, target, format, suffix):
    begin = Count()
    worker = Worker(job(format=format, quality=80), begin)
    number, status, error, seconds = worker.answer(7, "sub/a.jpg", f"sub/a.{suffix}")
    assert (number, status, error) == (7, "done", "") and seconds > 0
    expected = images.encode(translate(generator, photos / "sub" / "a.jpg"), format, 80)
    assert target.read(f"sub/a.{suffix}") == expected
    assert worker.answer(7, "sub/a.jpg", f"sub/a.{suffix}")[1:3] == ("done", "")
    assert begin.begun == [7]


def test_what_is_wrong_with_a_picture_is_an_answer(job, photos, target):
    whole = (photos / "sub" / "a.jpg").read_bytes()
    damaged = {"cut.jpg": whole[: len(whole) // 2], "text.png": b"hello", "empty.png": b""}
    for name, data in damaged.items():
        (photos / name).write_bytes(data)
    worker = Worker(job(), Count())
    told = {name: worker.answer(0, name, "x.png")[1:3] for name in [*damaged, "missing.png"]}
    assert {status for status, _ in told.values()} == {"failed"}
    for name, words in {"cut.jpg": "cut short", "text.png": "not an image", "empty.png": "is empty"}.items():
        assert name in told[name][1] and words in told[name][1]
    assert "no such file" in told["missing.png"][1]
    assert target.names() == {manifest.FILE}


def test_a_picture_of_a_store(job, memory, generator):
    memory.pipe_file("/photos/a.png", encoded(picture(4)))
    memory.pipe_file("/photos/b.png", b"")
    worker = Worker(job(source=Folder(memory, "/photos")), Count())
    assert worker.answer(0, "a.png", "a.png")[1:3] == ("done", "")
    made = images.load(io.BytesIO(worker.job.target.read("a.png")))
    assert np.abs(made - translate(generator, picture(4))).max() <= 0.5 / 255 + 1e-5
    assert worker.answer(1, "b.png", "b.png")[1] == "failed"


def test_a_picture_that_kills_workers_is_given_up(job):
    worker = Worker(job(), Count(already=ATTEMPTS))
    assert worker.answer(0, "b.PNG", "b.png")[1:3] == (
        "failed",
        f"{ATTEMPTS} workers were killed while they worked on it; the memory may not suffice",
    )


def test_what_would_be_wrong_with_every_picture_is_fatal(job, photos, target, tmp_path, monkeypatch):
    def answer(**changes):
        return Worker(job(**changes), Count()).answer(0, "b.PNG", "b.png")[1:3]

    status, error = answer(version="0.0")
    assert status == FATAL and "expected 0.0" in error
    status, error = answer(manifest=b"another")
    assert status == FATAL and "expected storage that all machines share" in error
    status, error = answer(work=Translation("x.keras", b"no model", "a2b"))
    assert status == FATAL and "x.keras" in error

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Folder, "write", full)
    worker = Worker(job(), Count())
    assert worker.answer(0, "b.PNG", "b.png")[1:3] == (FATAL, "OSError: [Errno 28] No space left on device")


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
        (["photos", "no/out", "--model", "MODEL"], "output: no such directory"),
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


def test_what_ends_a_batch_leaves_the_report(here, photos, model, tmp_path, capsys):
    here.append((1, StyleError("the workers are gone")))
    status, out, err = batch(capsys, photos, tmp_path / "out", "-r", "--model", model)
    assert (status, out, err) == (2, "", "keras-style: the workers are gone\n")
    read = csv.DictReader((tmp_path / "out" / report.FILE).open(encoding="utf-8"))
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
    log = (tmp_path / "log").open("w+")
    killed = subprocess.Popen([*map(str, line), "--address", address, "--quiet"], stdout=log, stderr=log)
    deadline = time.monotonic() + 300
    while len(list(output.rglob("*.png"))) < 4:
        assert killed.poll() is None and time.monotonic() < deadline, (log.seek(0), log.read())
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
    rows = {row["input"]: row for row in csv.DictReader((output / report.FILE).open(encoding="utf-8"))}
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
