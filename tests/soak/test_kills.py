"""Programs that are killed at any moment end, started again, as if nothing had happened, and leave nothing behind."""

import hashlib
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from running import fresh_environment

pytestmark = pytest.mark.slow

Digests = dict[str, str]


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """`keras-style` with these words, in `folder`."""
    line = [sys.executable, "-m", "keras_style", *words]
    with open(folder.with_suffix(".log"), "ab") as log:
        return subprocess.Popen(line, cwd=folder, env=fresh_environment(), stdout=log, stderr=log)


def finished(folder: Path, *words: str) -> float:
    """Run to the end; the seconds that it took."""
    began = time.monotonic()
    running = start(folder, *words)
    assert running.wait(300) == 0, folder.with_suffix(".log").read_text()
    return time.monotonic() - began


def killed(folder: Path, seconds: float, *words: str) -> bool:
    """Kill a run after so many seconds; whether it still ran."""
    running = start(folder, *words)
    try:
        running.wait(seconds)
    except subprocess.TimeoutExpired:
        running.kill()
    return running.wait() == -signal.SIGKILL


def digest(path: Path) -> str:
    """Of the content, less what tells when and where it was made."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            data = archive.read("model.weights.h5")
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            data = b"".join(arrays[name].tobytes() for name in sorted(arrays) if name != "about")
    elif path.suffix in (".png", ".jpg"):
        data = path.read_bytes()
    else:
        return "any"
    return hashlib.sha256(data).hexdigest()


def everything(folder: Path) -> Digests:
    """The digests of all files by their names, which for TensorBoard are those of processes and seconds."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            short = re.sub(r"events\.out\..*", "events.out", str(path.relative_to(folder)))
            found[short] = digest(path)
    return found


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Two folders of noise, 24 x 32 pixels, and a photograph and a painting."""
    root = tmp_path / "pictures"
    numbers = np.random.default_rng(0)
    names = [f"train{side}/{index}.png" for side in "AB" for index in range(4)]
    for name in (*names, "photograph.png", "painting.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(numbers.integers(0, 256, (24, 32, 3), np.uint8)).save(root / name)
    return root


def transfer(pictures: Path) -> list[str]:
    layers = ["--content-layers", "block2_conv1", "--style-layers", "block1_conv1,block2_conv1"]
    sizes = ["--size", "32", "--scales", "24,32", "--steps", "30", "--checkpoint", "run", "--checkpoint-every", "1"]
    return ["transfer", f"{pictures}/photograph.png", f"{pictures}/painting.png", "-o", "out.png", *layers, *sizes]


def train(pictures: Path) -> list[str]:
    settings = {
        "data": {"train_a": f"{pictures}/trainA", "train_b": f"{pictures}/trainB", "image_size": 16},
        "model": {"generator": "resnet_6", "filters": 2, "discriminator": "pixel", "pool_size": 3},
        "training": {"epochs": 6},
        "samples": {"every": 0},
    }
    (pictures / "tiny.yaml").write_text(yaml.safe_dump(settings))
    return ["train", f"{pictures}/tiny.yaml", "--directory", "run"]


def export(_: Path) -> list[str]:
    return ["export", "satellite_to_relief", "models/relief", "--version", "1"]


def batch(pictures: Path) -> list[str]:
    return ["batch", f"{pictures}/trainA", "out", "--model", "satellite_to_relief", "--workers", "1"]


@pytest.mark.parametrize(("command", "kills"), [(transfer, 15), (train, 15), (export, 10), (batch, 10)])
def test_killed_at_random_moments(command: Callable[[Path], list[str]], kills: int, pictures: Path, tmp_path: Path):
    words = command(pictures)
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    seconds = finished(undisturbed, *words)
    expected = everything(undisturbed)
    chance = random.Random(0)
    numbers = itertools.count()
    while kills > 0:
        disturbed = tmp_path / f"disturbed-{next(numbers)}"
        disturbed.mkdir()
        # Several kills on the way to one result, most of them after the programs are loaded.
        while kills > 0 and killed(disturbed, chance.uniform(0.3, 1.0) * seconds, *words):
            kills -= 1
        if command is not export or not (disturbed / "models/relief/1").exists():  # a version is made only once
            finished(disturbed, *words)
        assert everything(disturbed) == expected
