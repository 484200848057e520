"""Textures by Gram matrices alone and with histograms, judged by a program that shares no code with the losses.

    make textures
    python benchmarks/textures.py FILE...     other exemplars

For each exemplar a canvas of twice its side is synthesized by `gatys` and by `histogram`. The evaluator runs VGG16 in
PyTorch and compares, with SciPy, the distribution of every channel in canvas and exemplar: the Wasserstein distance
over the exemplar's standard deviation, averaged over the channels of colors and of each layer. `patches` compares the
mean colors of 24 x 24 patches likewise: washed-out or discolored ones are far from any of the exemplar's. Prints them
and writes benchmarks/textures.json; pictures are kept in outputs/textures, where a stopped command goes on.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import uniform_filter
from scipy.stats import wasserstein_distance

import keras_style
from keras_style.backbones import weights

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "outputs" / "textures"
LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1")
METHODS = ("gatys", "histogram")
PATCH = 24  # pixels; ours: wide enough to hold a few bricks, narrow enough for many to fit into an exemplar


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", default=sorted((ROOT / "examples" / "texture").glob("*.png")))
    given = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    report = {}
    for file in given.files:
        with Image.open(file) as opened:
            exemplar = np.asarray(opened.convert("RGB"), np.float32) / 255
        size = tuple(2 * side for side in exemplar.shape[:2])
        report[file.stem] = {}
        for method in METHODS:
            name = f"{file.stem}-{method}"
            result = keras_style.synthesize_texture(exemplar, size=size, method=method, checkpoint=WORK / name)
            result.save(WORK / f"{name}.png")
            report[file.stem][method] = measures = distances(result.array, exemplar)
            print(f"{name:24s}", "  ".join(f"{key} {value:.4f}" for key, value in measures.items()), flush=True)
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n")


def distances(canvas: np.ndarray, exemplar: np.ndarray) -> dict[str, float]:
    """Mean distance per channel between two pictures (H, W, 3) in [0, 1]: colors, patches, layers, and all layers."""
    values = {"colors": per_channel(canvas, exemplar), "patches": per_channel(smoothed(canvas), smoothed(exemplar))}
    ours, theirs = features(canvas), features(exemplar)
    layers = {name: per_channel(ours[name], theirs[name]) for name in LAYERS}
    return {key: round(value, 5) for key, value in {**values, **layers, "layers": np.mean([*layers.values()])}.items()}


def per_channel(first: np.ndarray, second: np.ndarray) -> float:
    channels = [(first[..., c].ravel(), second[..., c].ravel()) for c in range(first.shape[-1])]
    live = [(a, b) for a, b in channels if b.std() > 1e-6]
    return float(np.mean([wasserstein_distance(a, b) / b.std() for a, b in live]))


def smoothed(picture: np.ndarray) -> np.ndarray:
    """Mean colors of all patches that lie inside."""
    edge = PATCH // 2
    return uniform_filter(picture.astype(np.float64), (PATCH, PATCH, 1))[edge:-edge, edge:-edge]


def features(picture: np.ndarray) -> dict[str, np.ndarray]:
    """Activations (h, w, channels) of VGG16 in PyTorch, after the ReLU."""
    mean = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    x = torch.tensor(picture.transpose(2, 0, 1)[None].copy()).flip(1) * 255 - mean
    found, block = {}, "1"
    with torch.no_grad():
        for name, (kernel, bias) in weights.load("vgg16_imagenet").items():
            if name[5] != block:
                block = name[5]
                x = torch.nn.functional.max_pool2d(x, 2)
            kernel = torch.tensor(kernel.transpose(3, 2, 0, 1).copy())
            x = torch.relu(torch.nn.functional.conv2d(x, kernel, torch.tensor(bias), padding=1))
            if name in LAYERS:
                found[name] = x[0].permute(1, 2, 0).double().numpy()
            if name == LAYERS[-1]:
                break
    return found


if __name__ == "__main__":
    main()
