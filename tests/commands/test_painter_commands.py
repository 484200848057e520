"""`keras-style teach` and `styles`, and painters in `transfer`."""

import json

import numpy as np
import pytest
from running import command
from small_painters import filled, textured

from keras_style import images


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    filled().save(folder / "mine.keras")
    for name, seed in (("photo", 2), ("painting", 1)):
        images.save(textured(seed), folder / f"{name}.png")
    return folder


def test_styles_are_listed(files, capsys):
    status, out, err = command(capsys, "styles")
    assert (status, err) == (0, "") and "ember: burnt orange" in out
    assert command(capsys, "styles", "--model", files / "mine.keras")[1] == (
        "one: the first\ntwo: the second\nthree: the third\n"
    )
    card = json.loads(command(capsys, "styles", "two", "--model", files / "mine.keras")[1])
    assert card == {"line": "the second", "painter": "nobody"}
    assert json.loads(command(capsys, "styles", "--json", "--model", files / "mine.keras")[1])["one"] == "the first"
    assert command(capsys, "styles", "four", "--model", files / "mine.keras")[::2] == (
        2,
        "keras-style: style is 'four'; expected one of one, two, three\n",
    )


def test_a_contact_sheet(files, tmp_path, capsys):
    line = ("styles", "--model", files / "mine.keras", "--size", 64, "--sheet", tmp_path / "sheet.png")
    status, out, _ = command(capsys, *line, "--photo", files / "photo.png")
    assert status == 0 and out.endswith("sheet.png: 3 styles\n")
    sheet = images.load(tmp_path / "sheet.png")
    assert sheet.shape[1] == 4 * 64
    expected = filled().paint(images.fit(images.load(files / "photo.png"), 64), "two").array
    np.testing.assert_allclose(sheet[: expected.shape[0], 128:192], expected, atol=0.01)
    assert command(capsys, *line)[0] == 2


def test_a_style_is_taught_and_painted_with(files, tmp_path, capsys):
    mine = ("--model", files / "mine.keras")
    status, out, err = command(
        capsys,
        *("teach", files / "painting.png", "--name", "new", "-o", tmp_path / "new.style", *mine, "--quiet"),
        *("--photograph", files / "photo.png", "--steps", 2, "--size", 64, "--preview", tmp_path / "preview.png"),
    )
    assert (status, err) == (0, "") and "new, 2 steps" in out
    painter = filled()
    painter.teach(files / "painting.png", "new", files / "photo.png", steps=2, size=64, verbose=0)
    out_file = tmp_path / "out.png"
    line = (
        "transfer",
        files / "photo.png",
        *mine,
        "--style-file",
        tmp_path / "new.style",
        "--size",
        96,
        "-o",
        out_file,
    )
    assert command(capsys, *line)[0] == 0
    expected = painter.paint(images.load(files / "photo.png"), "new", size=96).array
    np.testing.assert_allclose(images.load(out_file), expected, atol=0.003)
    assert images.load(tmp_path / "preview.png").shape[1] == 64
    line = ("transfer", files / "photo.png", "one", "three", *mine, "--style-blend", "1,2", "--strength", 0.5)
    assert command(capsys, *line, "--size", 96, "-o", out_file)[0] == 0
    expected = painter.paint(images.load(files / "photo.png"), ["one", "three"], 96, [1, 2], 0.5).array
    np.testing.assert_allclose(images.load(out_file), expected, atol=0.003)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("teach", "none.png", "--name", "a", "-o", "a.png"), "output is a.png; expected a file .style"),
        (("teach", "none.png", "--name", "a/b", "-o", "a.style"), "name is 'a/b'"),
        (("teach", "none.png", "--name", "ember", "-o", "a.style"), "name is 'ember', which is taken"),
        (("teach", "none.png", "--name", "a", "-o", "no/where/a.style"), "in a directory that does not exist"),
        (("teach", "none.png", "--name", "a", "-o", "a.style"), "no such file: none.png"),
    ],
)
def test_mistakes_are_one_line(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = command(capsys, *arguments)
    assert status == 2 and said in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
