"""Which files of a folder are pictures, and what becomes of their names."""

from pathlib import Path

import pytest

from keras_style.errors import InputError, MissingFileError
from keras_style.images import folders


@pytest.fixture
def folder(tmp_path):
    for name in ("b.PNG", "a.jpg", ".hidden.png", "notes.txt", "in/c.webp", "in/.hidden/d.png", ".git/e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a.png", True), ("A.JPEG", True), ("in/a.tiff", True), (".a.png", False), (".in/a.png", False), ("a.txt", False)],
)
def test_a_picture_by_its_name(path, expected):
    assert folders.is_picture(path) is expected


def test_pictures_of_a_folder(folder):
    found = [folders.pictures_in(folder, recursive=recursive, name="a") for recursive in (False, True)]
    names = [[path.relative_to(folder).as_posix() for path in paths] for paths in found]
    assert names == [["a.jpg", "b.PNG"], ["a.jpg", "b.PNG", "in/c.webp"]]


def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"^train: .*none cannot be read: No such file or directory$"):
        folders.pictures_in(tmp_path / "none", recursive=True, name="train")


def test_named_pictures(folder):
    assert folders.named_pictures([folder / "in", folder / "notes.txt"]) == [folder / "in/c.webp", folder / "notes.txt"]
    with pytest.raises(InputError, match="holds no picture"):
        folders.named_pictures([folder / "folder.png"])
    with pytest.raises(MissingFileError, match="no such file or folder: none"):
        folders.named_pictures([Path("none")])


def test_two_pictures_of_one_name_are_refused():
    folders.check_distinct(["a.png", "b.png"], ["a", "b"])
    with pytest.raises(InputError, match=r"a\.jpg and a\.png would both become a \(and 1 more such files\)"):
        folders.check_distinct(["a.jpg", "b.jpg", "a.png", "b.png"], ["a", "b", "a", "b"])
