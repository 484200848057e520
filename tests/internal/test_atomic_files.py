"""Files appear whole or not at all, with the mode that an ordinary open() would give them."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from keras_style.internal import atomic_files


@pytest.fixture
def umask():
    previous = os.umask(0o027)
    yield 0o027
    os.umask(previous)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_writes_a_new_file_and_nothing_else(tmp_path):
    atomic_files.write_bytes(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_replaces_a_longer_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"much longer than the new content")
    atomic_files.write_bytes(str(path), memoryview(b"new"))
    assert path.read_bytes() == b"new"


def test_new_file_has_the_mode_that_the_umask_leaves(tmp_path, umask):
    atomic_files.write_bytes(tmp_path / "a.bin", b"")
    assert mode_of(tmp_path / "a.bin") == 0o666 & ~umask


def test_existing_file_keeps_its_mode(tmp_path, umask):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    path.chmod(0o604)
    atomic_files.write_bytes(path, b"new")
    assert (path.read_bytes(), mode_of(path)) == (b"new", 0o604)


def test_secret_content_is_never_readable_by_others(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    path.chmod(0o600)
    seen = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode)))
    atomic_files.write_bytes(path, b"new")
    assert seen == [0o600]


def test_symbolic_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "target.bin"
    target.write_bytes(b"old")
    link = tmp_path / "link.bin"
    link.symlink_to(target)
    atomic_files.write_bytes(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_data_is_on_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    order = []
    replace = os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: order.append(("fsync", os.fstat(descriptor).st_size)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append(("replace", path.read_bytes())), replace(a, b)))
    atomic_files.write_bytes(path, b"four")
    assert order == [("fsync", 4), ("replace", b"old")]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch, step, failure):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(*_):
        raise failure

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(failure)):
        atomic_files.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_missing_directory_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic_files.write_bytes(tmp_path / "missing" / "a.bin", b"")
    assert os.listdir(tmp_path) == []


def test_directory_that_is_a_file_is_the_systems_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        atomic_files.write_bytes(tmp_path / "file" / "a.bin", b"")


def test_directory_is_not_replaced(tmp_path):
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic_files.write_bytes(tmp_path / "a.bin", b"")
    assert os.listdir(tmp_path) == ["a.bin"]


def test_longest_file_name_fits(tmp_path):
    name = "n" * 251 + ".bin"
    atomic_files.write_bytes(tmp_path / name, b"new")
    assert os.listdir(tmp_path) == [name]


# What killed processes leave


def test_what_a_killed_process_left_is_swept_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic_files, "_swept", set())
    left, other = tmp_path / f".{'0f' * 8}.tmp", tmp_path / ".mine.tmp"
    left.write_bytes(b"half")
    os.utime(left, (1e9, 1e9))
    other.write_bytes(b"of somebody else")
    atomic_files.write_bytes(tmp_path / "a.bin", b"new")
    assert sorted(os.listdir(tmp_path)) == [".mine.tmp", "a.bin"]


def test_what_is_being_written_is_not_swept(tmp_path, monkeypatch):
    with atomic_files._temporary(tmp_path) as (_, path):
        os.utime(path, (1e9, 1e9))
        monkeypatch.setattr(atomic_files, "_swept", set())
        atomic_files.write_bytes(tmp_path / "a.bin", b"new")
        assert path.exists()
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_process_killed_in_the_middle_leaves_one_file_until_the_next_start(tmp_path):
    code = f"""if True:
        import os, signal
        from keras_style.internal import atomic_files
        os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
        atomic_files.write_bytes({str(tmp_path / "a.bin")!r}, b"new")"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    os.utime(left, (1e9, 1e9))
    code = f"from keras_style.internal.atomic_files import write_bytes; write_bytes({str(tmp_path / 'b.bin')!r}, b'')"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert os.listdir(tmp_path) == ["b.bin"]


# File systems that cannot do all of it


def refusing(monkeypatch, function, code):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, function, refuse)


@pytest.mark.parametrize(("function", "code"), [("chmod", errno.EPERM), ("fsync", errno.EINVAL)])
def test_modes_and_syncs_are_left_out_where_there_are_none(tmp_path, monkeypatch, function, code):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    refusing(monkeypatch, function, code)
    atomic_files.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EXDEV])
def test_a_file_that_cannot_be_renamed_over_is_written_in_place(tmp_path, monkeypatch, code):
    """As one that is mounted into a container."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"much longer than the new content")
    same = path.stat().st_ino
    refusing(monkeypatch, "replace", code)
    atomic_files.write_bytes(path, b"new")
    assert (path.read_bytes(), path.stat().st_ino) == (b"new", same)
    assert os.listdir(tmp_path) == ["a.bin"]
    with pytest.raises(OSError, match=os.strerror(code)):
        atomic_files.write_bytes(tmp_path / "b.bin", b"new")
