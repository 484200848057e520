"""The worked examples of CONTRIBUTING.md: each file is put where the text says, its test passes, and it paints."""

import re
import sys
import textwrap
import types
from pathlib import Path

import pytest
from documented import World, blocks

import keras_style
from keras_style.painting.methods import METHODS

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "CONTRIBUTING.md"
BLOCKS = [textwrap.dedent(each.text) for each in blocks(PAGE) if each.language == "python"]


def block(start: str) -> str:
    """The one with this line in it."""
    (found,) = (each for each in BLOCKS if start in each)
    return found


def module(name: str, text: str, patch: pytest.MonkeyPatch) -> types.ModuleType:
    made = types.ModuleType(name)
    patch.setitem(sys.modules, name, made)
    exec(compile(text, f"{name}.py", "exec"), made.__dict__)
    return made


def test_a_loss_and_a_method(tmp_path, monkeypatch):
    files = re.findall(r"`(keras_style/\S+energy\.py)`", PAGE.read_text())
    assert files == ["keras_style/losses/energy.py", "keras_style/painting/methods/energy.py"]
    assert not any((ROOT / file).exists() for file in files)  # or the example would be of something that is there
    names = [file.removesuffix(".py").replace("/", ".") for file in files]
    module(names[0], block("class EnergyLoss"), monkeypatch)
    module("test_energy", block("def test_energy"), monkeypatch).test_energy_is_that_of_numpy()

    method = module(names[1], block("ENERGY = Method"), monkeypatch).ENERGY
    monkeypatch.setitem(METHODS, method.name, method)
    World(tmp_path, monkeypatch).python(block('method="energy"'))
    assert (tmp_path / "energy.png").is_file()
    assert keras_style.methods()["energy"] == method.summary


def test_a_preset(tmp_path, monkeypatch):
    World(tmp_path, monkeypatch).python(block("save_to_preset"))
    folder = tmp_path / "keras_style" / "preset_files" / "horses_to_zebras"
    assert sorted(each.name for each in folder.iterdir()) == [
        "README.md",
        "generator_a2b.keras",
        "generator_b2a.keras",
        "preset.json",
    ]


def test_every_python_block_is_run():
    assert len(BLOCKS) == 5


def test_every_target_is_named():
    makefile = (ROOT / "Makefile").read_text()
    targets = {*re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()} - {"clean", "lint"}
    assert targets <= {*re.findall(r"\bmake ([\w-]+)", PAGE.read_text())}
