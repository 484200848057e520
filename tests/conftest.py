"""Small images and the bundled network, shared by all tests."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores: more threads would wait for each other
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import keras_style


@pytest.fixture(scope="session")
def backbone():
    """VGG16 with the weights that need no download."""
    return keras_style.backbones.get("vgg16_imagenet")


@pytest.fixture(scope="session")
def photograph():
    """40 x 48 pixels, float32: a sky that darkens, a disc, a roof with a hard edge."""
    y, x = np.mgrid[0:40, 0:48].astype(np.float32)
    image = np.stack([0.3 + 0.4 * x / 47, 0.5 + 0.3 * y / 39, 0.9 - 0.5 * y / 39], axis=-1)
    image[(x - 34) ** 2 + (y - 10) ** 2 < 36] = (0.95, 0.85, 0.3)
    image[(y > 20) & (np.abs(x - 16) < y - 18)] = (0.45, 0.15, 0.1)
    return _frozen(image)


@pytest.fixture(scope="session")
def painting():
    """32 x 44 pixels, float32: curved strokes of blue and ochre with some grain."""
    y, x = np.mgrid[0:32, 0:44].astype(np.float32)
    stroke = 0.5 + 0.5 * np.sin(0.9 * x + 4 * np.sin(0.2 * y))[..., None]
    grain = np.random.default_rng(0).uniform(-0.05, 0.05, (32, 44, 3))
    image = stroke * np.array([0.1, 0.25, 0.7]) + (1 - stroke) * np.array([0.85, 0.65, 0.2]) + grain
    return _frozen(image.clip(0, 1).astype(np.float32))


@pytest.fixture(scope="session")
def photograph_file(photograph, tmp_path_factory) -> Path:
    """`photograph` as a PNG file, rounded to 8 bits."""
    return _save(photograph, tmp_path_factory.mktemp("images") / "photograph.png")


@pytest.fixture(scope="session")
def painting_file(painting, tmp_path_factory) -> Path:
    """`painting` as a PNG file, rounded to 8 bits."""
    return _save(painting, tmp_path_factory.mktemp("images") / "painting.png")


@pytest.fixture(scope="session")
def saved(tmp_path_factory) -> Path:
    """SavedModels for servers: `all` with many signatures, and `times_1`, `times_2`, `times_3`."""
    import served

    folder = tmp_path_factory.mktemp("saved")
    served.save(folder / "all")
    for factor in (1, 2, 3):
        served.save_tiny(folder / f"times_{factor}", factor)
    gc.freeze()  # or each version that goes has the collector look at all of TensorFlow
    return folder


def _frozen(image: np.ndarray) -> np.ndarray:
    """Read-only, since every test sees the same array."""
    image.flags.writeable = False
    return image


def _save(image: np.ndarray, path: Path) -> Path:
    Image.fromarray((image * 255).round().astype(np.uint8)).save(path)
    return path
