"""Versions of a model: numbers, and all or nothing, also when processes are killed or write at once."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import listing

from keras_style.errors import InputError, WeightsError
from keras_style.internal import version_folders
from keras_style.internal.version_folders import publish

# A light process that publishes versions, each of several files, until it is killed.
PUBLISHER = """
import sys
from keras_style.internal.version_folders import publish
def write(folder):
    for number in range(20):
        (folder / f"{number}.txt").write_text(str(number))
for _ in range(int(sys.argv[2])):
    publish(sys.argv[1], None, write)
    print("published", flush=True)
"""


def write(folder: Path) -> None:
    (folder / "inside").mkdir()
    (folder / "inside" / "file.txt").write_text("all of it")


def start(directory: Path, count: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", PUBLISHER, directory, str(count)], stdout=subprocess.PIPE, text=True)


def test_numbers_go_up(tmp_path):
    model = tmp_path / "model"
    assert publish(model, None, write) == model / "1"
    assert publish(model, 7, write) == model / "7"
    assert publish(model, None, write) == model / "8"
    assert publish(model, 3, write) == model / "3"
    assert listing(model) == ["1", "3", "7", "8"]
    assert (model / "8" / "inside" / "file.txt").read_text() == "all of it"
    assert listing(model / "8") == ["inside"]


def test_names_are_read_as_a_server_reads_them(tmp_path):
    names = ("00000012", "9", "007", "notes", "1.5", "-3", " 4", ".5", "٤", "²", str(2**63), "99999999999999999999")
    for name in names:
        (tmp_path / name).mkdir()
    found = version_folders.versions(tmp_path)
    assert list(found.items()) == [(7, tmp_path / "007"), (9, tmp_path / "9"), (12, tmp_path / "00000012")]
    assert publish(tmp_path, None, write).name == "13"


def test_the_largest_number_is_a_version_and_has_no_next(tmp_path):
    (tmp_path / str(2**63 - 1)).mkdir()
    assert list(version_folders.versions(tmp_path)) == [2**63 - 1]
    with pytest.raises(InputError, match="the next version is"):
        publish(tmp_path, None, write)


def test_models_are_folders_with_folders_of_versions(tmp_path):
    for name in ("b/2", "b/010", "b/draft", "a/1", ".hidden/1", "notes/text", "empty"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "files").mkdir()
    for name in ("b/3", "files/1", "4"):
        (tmp_path / name).touch()
    found = version_folders.models(tmp_path)
    assert [(name, list(folders.items())) for name, folders in found.items()] == [
        ("a", [(1, tmp_path / "a" / "1")]),
        ("b", [(2, tmp_path / "b" / "2"), (10, tmp_path / "b" / "010")]),
    ]


def test_a_directory_that_is_not_there(tmp_path):
    for read in (version_folders.versions, version_folders.models):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "none")


@pytest.mark.parametrize("version", [1, 12])
def test_a_version_that_exists_is_refused(tmp_path, version):
    (tmp_path / "0012").mkdir()
    (tmp_path / "1").mkdir()
    with pytest.raises(InputError, match=f"has version {version} already"):
        publish(tmp_path, version, write)
    assert listing(tmp_path) == ["0012", "1"]


def test_a_version_that_came_meanwhile(tmp_path):
    def slowly(folder):
        write(folder)
        publish(tmp_path, 1, write)

    with pytest.raises(InputError, match="has version 1 already"):
        publish(tmp_path, 1, slowly)
    assert listing(tmp_path) == ["1"]


@pytest.mark.parametrize("version", [0, -1, 2**63, 1.0, "1", True])
def test_what_is_no_version(tmp_path, version):
    with pytest.raises(InputError, match="version is"):
        publish(tmp_path, version, write)
    assert listing(tmp_path) == []


def test_mistakes_leave_nothing(tmp_path):
    (tmp_path / "file").touch()
    for directory in ("file", "file/model"):
        with pytest.raises(InputError, match=r"cannot be made a directory \(.*file is a file\)"):
            publish(tmp_path / directory, None, write)
    assert listing(tmp_path) == ["file"]

    def fails(folder):
        write(folder)
        raise WeightsError("broken")

    with pytest.raises(WeightsError):
        publish(tmp_path / "some" / "model", None, fails)
    assert listing(tmp_path) == ["file"]


def test_parents_are_made(tmp_path):
    assert publish(tmp_path / "some" / "model", None, write) == tmp_path / "some" / "model" / "1"


def test_what_a_killed_process_left_is_removed_and_what_another_writes_is_not(tmp_path):
    left = []

    def killed(folder):
        left.append(folder)
        child = os.fork()
        if child == 0:  # it holds no lock of its own: the parent's ends with this test
            os._exit(0)
        os.waitpid(child, 0)
        publish(tmp_path, None, write)  # while this one is being written
        assert folder.is_dir()
        write(folder)

    publish(tmp_path, None, killed)
    assert listing(tmp_path) == ["1", "2"]
    leftover = tmp_path / ".unfinished-0123"
    leftover.mkdir()
    (leftover / ".lock").touch()  # of nobody
    young = tmp_path / ".unfinished-4567"
    young.mkdir()
    old = tmp_path / ".unfinished-89ab"
    old.mkdir()
    os.utime(old, (0, 0))
    publish(tmp_path, None, write)
    assert listing(tmp_path) == [".unfinished-4567", "1", "2", "3"]


def test_killed_at_any_moment(tmp_path):
    """Every number is whole, and the next one cleans up."""
    moments = random.Random(0)
    for _ in range(8):
        process = start(tmp_path, 1000)
        process.stdout.readline()
        time.sleep(moments.random() / 20)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    numbered = version_folders.versions(tmp_path)
    assert len(numbered) >= 8
    for folder in numbered.values():
        assert {name: (folder / name).read_text() for name in listing(folder)} == {
            f"{n}.txt": str(n) for n in range(20)
        }
    publish(tmp_path, None, write)
    unfinished = [path for path in tmp_path.iterdir() if not path.name.isdigit()]
    assert all(not (path / ".lock").exists() for path in unfinished)  # killed before the lock, at most


def test_several_at_once_do_not_collide(tmp_path):
    processes = [start(tmp_path, 5) for _ in range(4)]
    for process in processes:
        out, _ = process.communicate(timeout=120)
        assert (process.returncode, out.count("published")) == (0, 5)
    assert list(version_folders.versions(tmp_path)) == list(range(1, 21))
    assert len(listing(tmp_path)) == 20
