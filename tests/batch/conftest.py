"""A model, pictures on disk and in a store, and a folder for what is made of them."""

import fsspec
import pytest
from batch_pieces import encoded, picture

from keras_style.batch.folder import Folder, resolved
from keras_style.models.resnet_generator import ResNetGenerator


@pytest.fixture(scope="module")
def generator():
    return ResNetGenerator(blocks=0, filters=2, seed=1)


@pytest.fixture(scope="module")
def model(generator, tmp_path_factory):
    file = tmp_path_factory.mktemp("model") / "generator.keras"
    generator.save(file)
    return file


@pytest.fixture
def photos(tmp_path):
    """Two pictures, one of them in a folder, beside files that are not meant."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("b.PNG", "sub/a.jpg", ".hidden/c.png", ".d.png"):
        (folder / name).write_bytes(encoded(picture(0), "JPEG" if name.endswith("jpg") else "PNG"))
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    return fs


@pytest.fixture(params=["disk", "store"])
def target(request, tmp_path, memory):
    folder = Folder(*resolved("output", tmp_path / "out" if request.param == "disk" else "memory://out"))
    folder.make()
    return folder
