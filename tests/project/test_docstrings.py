"""The examples of public docstrings run, in a folder with the pictures and files that they name."""

import shutil
import tarfile
from pathlib import Path

import gans
import numpy as np
import pytest
from documented import World, docstring_examples
from oracles import onnx_painter, torch_networks

import keras_style
from keras_style.models.loading import from_torch

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
EXAMPLES = docstring_examples(ROOT / "keras_style")


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """`models/a2b/1`, as small as a generator can be."""
    models = tmp_path_factory.mktemp("exported") / "models"
    return keras_style.export_saved_model(gans.pointwise(3, 1), models / "a2b", warmup=False).parents[1]


@pytest.fixture(scope="module")
def legacy(tmp_path_factory) -> Path:
    """A generator and a checkpoint of Keras 2."""
    folder = tmp_path_factory.mktemp("legacy")
    with tarfile.open(ROOT / "tests/fixtures/legacy/files.tar.xz") as together:
        together.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (folder / "keras_io.h5").rename(folder / "monet_generator.h5")
    for part in ("index", "data-00000-of-00001"):
        (folder / f"cyclegan_ckpt.{part}").rename(folder / f"cyclegan_weights.{part}")
    return folder


def case(name: str):
    """A cluster of Ray starts once in a process, and the tests of `batch` start one."""
    return pytest.param(name, id=name, marks=[pytest.mark.slow] if "batch.run" in EXAMPLES[name] else [])


@pytest.mark.parametrize("name", [case(each) for each in EXAMPLES])
def test_example_runs(name: str, exported: Path, legacy: Path, tmp_path: Path, monkeypatch) -> None:
    world = World(tmp_path, monkeypatch)
    text = EXAMPLES[name]
    if "latest_net_G.pth" in text:  # as if PyTorch had read it
        state = torch_networks.random_state(torch_networks.resnet_shapes(1, 2), 0)
        monkeypatch.setattr(from_torch, "_read_torch", lambda path: state)
        (tmp_path / "latest_net_G.pth").touch()
    if "multistyle26.onnx" in text:
        data = onnx_painter.graph(np.random.default_rng(0), 26, (4, 4, 4), 1, (4, 4))
        (tmp_path / "multistyle26.onnx").write_bytes(data)
    if "load_legacy" in text:
        shutil.copytree(legacy, tmp_path, dirs_exist_ok=True)
    if "a2b" in text or "Server(" in text:
        shutil.copytree(exported, tmp_path / "models")
    if "localhost" not in text:
        world.session(text)
        return
    with keras_style.server.Server("models"):
        world.session(text)


def test_what_people_call_has_an_example() -> None:
    functions = {name.rpartition(".")[2] for name in EXAMPLES}
    assert {"transfer", "synthesize_texture", "Stylizer", "CycleGAN", "export_saved_model", "StyleClient"} <= functions
    assert len(EXAMPLES) >= 55
