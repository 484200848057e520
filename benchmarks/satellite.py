"""CycleGAN beside its PyTorch original, and the shipped preset: satellite pictures and shaded relief, pixel by pixel.

    make satellite
    keras-style train configs/cyclegan/satellite_to_relief.yaml
    python benchmarks/satellite.py runs/satellite_to_relief

"curves": trains the original's networks (transposed convolutions) by its recipe, of the run's width and for as many
steps, on the same folders: pictures enlarged and cropped at random, pools of 50, Adam, linear decay. After every epoch
test pictures are translated in both directions and compared with the true ones by scikit-image; keras_style's curve is
that of the run's log. Takes about as long as the training itself. "preset": the preset that comes with the package on
the same pairs. Both beside a translator that does nothing, and one that answers with the training pictures' mean color.
Prints tables and writes benchmarks/satellite.json.
"""

import argparse
import csv
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch_cyclegan
import yaml
from PIL import Image
from skimage.metrics import structural_similarity
from workers import processor

LAYOUT = "torch_nchw"
POOL = 50
PARTS = ("curves", "preset")
KEYS = [f"{metric}_{direction}" for direction in ("a2b", "b2a") for metric in ("mae", "ssim")]
Translators = dict[str, Callable[[np.ndarray], np.ndarray]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="directory of the finished training")
    parser.add_argument("--parts", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--seed", type=int, default=0, help="of PyTorch's side")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"), help="file of the report")
    given = parser.parse_args()
    settings = yaml.safe_load((given.run / "config.yaml").read_text())
    folders = {name: pictures(Path(settings["data"][name])) for name in ("train_a", "train_b", "test_a", "test_b")}
    truth = {side: [scaled(picture) for picture in folders[f"test_{side}"]] for side in "ab"}
    report = json.loads(given.json.read_text()) if given.json.exists() else {}
    report |= {"processor": processor(), "test_pairs": len(truth["a"]), "baselines": baselines(folders, truth)}
    if "curves" in given.parts:
        report["torch"], report["torch_seconds"] = original(settings, folders, truth, given.seed)
        rows = list(csv.DictReader((given.run / "log.csv").open()))
        report["steps"] = len(rows) * max(len(folders["train_a"]), len(folders["train_b"]))
        # The run may measure every second epoch only.
        report["keras_style"] = [{key: round(float(row[key]), 5) if row[key] else None for key in KEYS} for row in rows]
        report["keras_style_at_the_end"] = score(ours(given.run), truth)
        print("epoch   keras_style / PyTorch")
        for epoch, (one, other) in enumerate(zip(report["keras_style"], report["torch"], strict=True), start=1):
            print(f"{epoch:5d}   " + "   ".join(f"{key} {one[key]} / {other[key]}" for key in KEYS))
    if "preset" in given.parts:
        report["preset"] = score(ours("satellite_to_relief"), truth)
    for name, scores in {**report["baselines"], "preset": report.get("preset")}.items():
        print(f"{name:12s} {scores}", flush=True)
    given.json.write_text(json.dumps(report, indent=2) + "\n")


def pictures(folder: Path) -> list[Image.Image]:
    return [Image.open(file).convert("RGB") for file in sorted(folder.glob("*.png"))]


def scaled(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, np.float32) / 255


def score(translators: Translators, truth: dict[str, list[np.ndarray]]) -> dict[str, float]:
    scores = {}
    for direction, translate in translators.items():
        pairs = [(translate(x), y) for x, y in zip(truth[direction[0]], truth[direction[-1]], strict=True)]
        scores[f"mae_{direction}"] = np.mean([np.abs(x - y).mean() for x, y in pairs])
        scores[f"ssim_{direction}"] = np.mean([similarity(x, y) for x, y in pairs])
    return {name: round(float(value), 5) for name, value in scores.items()}


def similarity(x: np.ndarray, y: np.ndarray) -> float:
    """As Wang et al. 2004 have it."""
    return structural_similarity(
        x, y, data_range=1.0, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )


def baselines(folders: dict[str, Any], truth: dict[str, list[np.ndarray]]) -> dict[str, dict[str, float]]:
    means = {side: np.mean([scaled(each) for each in folders[f"train_{side}"]], (0, 1, 2)) for side in "ab"}
    return {
        "identity": score({"a2b": lambda x: x, "b2a": lambda x: x}, truth),
        "mean_color": score(
            {f"{x}2{y}": lambda picture, y=y: np.broadcast_to(means[y], picture.shape) for x, y in ("ab", "ba")}, truth
        ),
    }


def ours(source: Path | str) -> Translators:
    from keras_style.models import open_generator, translate

    generators = {direction: open_generator(source, direction) for direction in ("a2b", "b2a")}
    return {direction: lambda x, g=g: translate(g, x) for direction, g in generators.items()}


# The original


def original(
    settings: dict[str, Any], folders: dict[str, Any], truth: dict[str, list[np.ndarray]], seed: int
) -> tuple[list[dict[str, float]], float]:
    random.seed(seed)
    torch.manual_seed(seed)
    blocks = int(settings["model"]["generator"].split("_")[1])
    pools = (Pool(), Pool())
    training = torch_cyclegan.Training(LAYOUT, blocks, settings["model"]["filters"], start, pools)
    epochs, constant = settings["training"]["epochs"], settings["training"]["decay_start"]
    translators = {
        direction: lambda x, network=network: torch_cyclegan.translate(network, LAYOUT, x)
        for direction, network in (("a2b", training.g), ("b2a", training.f))
    }
    curve, seconds = [], 0.0
    for epoch in range(1, epochs + 1):
        for optimizer in training.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = 2e-4 * (1 - max(0, epoch - 1 - constant) / (epochs - constant))  # as keras_style's
        began = time.perf_counter()
        for a, b in epoch_of(folders, settings["data"]["image_size"], settings["data"]["load_size"]):
            training.step(a, b)
        seconds += time.perf_counter() - began
        curve.append(score(translators, truth))
        print(f"PyTorch, epoch {epoch}: {seconds:.0f} s, {curve[-1]}", flush=True)
    return curve, round(seconds)


def start(shapes: list[tuple[int, ...]], seed: int) -> list[np.ndarray]:
    """Kernels N(0, 0.02^2), biases 0, as `init_weights` of the original."""
    numbers = np.random.default_rng(seed)
    return [numbers.normal(0, 0.02 * (len(shape) > 1), shape).astype(np.float32) for shape in shapes]


def epoch_of(folders: dict[str, Any], crop: int, load: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """A in random order, B at random, as its `UnalignedDataset` and loader do."""
    a, b = folders["train_a"], folders["train_b"]
    length = max(len(a), len(b))
    for index in random.sample(range(length), length):
        yield augmented(a[index % len(a)], crop, load), augmented(random.choice(b), crop, load)


def augmented(picture: Image.Image, crop: int, load: int) -> torch.Tensor:
    picture = picture.resize((load, load), Image.Resampling.BICUBIC)
    left, top = random.randint(0, load - crop), random.randint(0, load - crop)
    picture = picture.crop((left, top, left + crop, top + crop))
    if random.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return torch_cyclegan.images(LAYOUT, [scaled(picture)])


class Pool:
    """Of generated images: half of those that are asked for come from it."""

    def __init__(self) -> None:
        self.held: list[torch.Tensor] = []

    def __call__(self, fake: torch.Tensor) -> torch.Tensor:
        if len(self.held) < POOL:
            self.held.append(fake)
            return fake
        if random.random() <= 0.5:
            return fake
        index = random.randrange(POOL)
        older, self.held[index] = self.held[index], fake
        return older


if __name__ == "__main__":
    main()
