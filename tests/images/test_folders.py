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
    assert (folders.is_picture(path) and not folders.is_hidden(path)) is expected


def test_pictures_of_a_folder(folder):
    found = [folders.pictures_in(folder, recursive=recursive, name="a") for recursive in (False, True)]
    names = [[path.relative_to(folder).as_posix() for path in paths] for paths in found]
    assert names == [["a.jpg", "b.PNG"], ["a.jpg", "b.PNG", "in/c.webp"]]


def test_links_to_folders_are_followed_once(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "f.jfif").touch()
    (folder / "in" / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(folder)
    (folder / "itself").symlink_to(folder)
    found = folders.pictures_in(folder, recursive=True, name="a")
    names = ["a.jpg", "b.PNG", "in/c.webp", "in/linked/f.jfif"]
    assert [path.relative_to(folder).as_posix() for path in found] == names


def test_no_picture_that_is_read_is_replaced(folder):
    """The output may be the folder itself, a link to it, or hold a link to a picture."""
    (folder / "c.png").touch()
    sources = folders.named_pictures([folder / "c.png", folder / "a.jpg"])[0]
    (folder / "out").symlink_to(folder)
    (folder / "new").mkdir()
    (folder / "new" / "c.png").symlink_to(folder / "c.png")
    for output in ("", "out", "new"):
        for overwrite in (False, True):
            with pytest.raises(InputError, match=r"c\.png would replace the picture .*c\.png; expected another place"):
                folders.targets(sources, sources, folder / output, overwrite)
    with pytest.raises(InputError, match="would replace"):
        folders.targets(sources[:1], sources[:1], folder / "c.png", overwrite=True)


def test_what_is_in_a_directory_is_replaced_only_if_that_is_said(folder):
    given = [folder / "in"]
    sources = folders.named_pictures(given)[0]
    output = folder / "new"
    assert folders.targets(given, sources, output, overwrite=False) == [output / "c.png"]
    output.mkdir()
    (output / "c.png").touch()
    with pytest.raises(InputError, match=r"c\.png exists already; expected another directory, or overwrite"):
        folders.targets(given, sources, output, overwrite=False)
    assert folders.targets(given, sources, output, overwrite=True) == [output / "c.png"]
    # A picture that was named is what was asked for.
    assert folders.targets(sources, sources, output / "c.png", overwrite=False) == [output / "c.png"]


def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"^train: .*none cannot be read: No such file or directory$"):
        folders.pictures_in(tmp_path / "none", recursive=True, name="train")


def test_named_pictures(folder):
    named = [folder / "in", folder / "notes.txt"]  # what is named by itself is taken whatever its suffix
    assert folders.named_pictures(named) == ([folder / "in/c.webp", folder / "notes.txt"], 0)
    found, left_out = folders.named_pictures([folder])
    assert left_out == 1 and folder / "notes.txt" not in found
    with pytest.raises(InputError, match="holds no picture"):
        folders.named_pictures([folder / "folder.png"])
    with pytest.raises(MissingFileError, match="no such file or folder: none"):
        folders.named_pictures([Path("none")])


def test_two_pictures_of_one_name_are_refused():
    folders.check_distinct(["a.png", "b.png"], ["a", "b"])
    with pytest.raises(InputError, match=r"a\.jpg and a\.png would both become a \(and 1 more such files\)"):
        folders.check_distinct(["a.jpg", "b.jpg", "a.png", "b.png"], ["a", "b", "a", "b"])
