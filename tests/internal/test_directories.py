"""Directories for output are made with their parents, or refused before anything is there."""

import os
import pathlib

import pytest
from running import listing

from keras_style.errors import CheckpointError, InputError
from keras_style.internal import directories


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    return tmp_path


def test_parents_are_made(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert [str(each) for each in directories.make("a/b/c")] == ["a/b/c", "a/b", "a"]
    assert os.path.isdir(folder / "a" / "b" / "c")
    assert directories.make("a/b/c") == []
    directories.check("a/b/c/d")
    assert listing(folder / "a" / "b" / "c") == []


@pytest.mark.parametrize("path", ["file", "file/run", "file/some/run"])
def test_a_file_in_the_way(folder, path):
    with pytest.raises(InputError, match=r"output: .*/file.* cannot be made a directory \(.*/file is a file\)"):
        directories.check(folder / path, "output")
    with pytest.raises(CheckpointError, match=r"output: .*/file.* cannot be made a directory \((Not a d|File e)"):
        directories.make(folder / path, "output", CheckpointError)
    assert listing(folder) == ["file"]


def test_what_the_system_refuses_leaves_nothing(folder, monkeypatch):
    """A disk that is full after the first of two directories."""
    mkdir = pathlib.Path.mkdir

    def full(self, *arguments, **options):
        if self.name == "run" and self.parent.exists():
            raise OSError(28, "No space left on device")
        mkdir(self, *arguments, **options)

    monkeypatch.setattr(pathlib.Path, "mkdir", full)
    with pytest.raises(InputError, match=r"run cannot be made a directory \(No space left on device\)"):
        directories.make(folder / "some" / "run")
    assert listing(folder) == ["file"]


def test_a_write_protected_directory(folder, monkeypatch):
    with pytest.raises(InputError, match=r"cannot be made a directory"):
        directories.make("/proc/self/run")
    monkeypatch.setattr(os, "access", lambda path, mode, **_: str(path) != str(folder))
    with pytest.raises(InputError, match=r"run cannot be made a directory \(.* is write-protected\)"):
        directories.check(folder / "some" / "run")


def test_only_what_is_empty_is_removed(folder):
    made = directories.make(folder / "a" / "b" / "c")
    (folder / "a" / "kept").write_bytes(b"")
    directories.remove_empty(made)
    assert listing(folder / "a") == ["kept"]
