"""Files of a batch: which pictures are found, where outputs go, the manifest, the report and the progress."""

import csv
import io
import os

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from keras_style.batch import manifest, pictures, report
from keras_style.batch.batch_progress import BatchProgress
from keras_style.batch.batch_result import BatchResult
from keras_style.batch.folder import Folder, resolved
from keras_style.batch.report import Row
from keras_style.errors import InputError, MissingFileError

ELSEWHERE = Folder(MemoryFileSystem(), "/elsewhere")


# Which pictures


@pytest.mark.parametrize(
    ("given", "recursive", "names", "others"),
    [
        ("photos", False, ["b.PNG"], 1),
        ("photos", True, ["b.PNG", "sub/a.jpg"], 1),
        ("photos/*.PNG", False, ["b.PNG"], 0),
        ("photos/**/*", False, ["b.PNG", "sub/a.jpg"], 1),
        ("photos/*/[ab].jpg", False, ["sub/a.jpg"], 0),
        ("photos/notes.txt", False, ["notes.txt"], 0),
    ],
)
def test_pictures_of_a_folder_a_pattern_and_a_file(photos, monkeypatch, given, recursive, names, others):
    monkeypatch.chdir(photos.parent)
    folder, found, left_out = pictures.find(given, recursive, ELSEWHERE)
    assert (str(folder), found, left_out) == (str(photos), names, others)


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
    folder, found, left_out = pictures.find(given, recursive, Folder(memory, "/bucket/paintings"))
    assert (str(folder), found, left_out) == ("memory:///bucket/photos", names, int(given.endswith(("photos", "/"))))
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


def test_a_folder_is_made_with_its_parents(tmp_path):
    Folder(*resolved("output", tmp_path / "some" / "new")).make()
    assert (tmp_path / "some" / "new").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file cannot be made a directory"):
        Folder(*resolved("output", tmp_path / "file")).make()


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
    for damage in (b"{}", b"[" * 100_000, b'{"settings": ' + b"9" * 5000 + b"}", b"\xff\x00"):
        target.write(manifest.FILE, damage)
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
    result = BatchResult(rows, "out", "out/report.csv", 2.0, left_out=3)
    assert [row.input for row in result.failed] == ["b"]
    assert result.summary() == {
        "output": "out",
        "report": "out/report.csv",
        "done": 2,
        "done_before": 1,
        "failed": 1,
        "waiting": 0,
        "left_out": 3,
        "seconds": 2.0,
        "stopped": False,
    }
    assert str(result) == "out: 2 done, 1 done before, 1 failed, 3 left out, 2.0 s"


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
