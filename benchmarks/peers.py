"""The PyPI packages that do what `gatys` does, on our weights: how each is started, and how often it steps.

    make .venv/peer/.installed

makes an environment of their own for them. Both run on the CPU with total variation off, from the photograph, with
their own layers, weights, optimizer and step size.
"""

import itertools
import os
import re
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from keras_style.backbones import weights

PEERS = ("neural_style", "pystiche")

# The order of VGG16's convolutions in torchvision's `features`.
INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_CONVERT = """
import sys, numpy, torch
kernels = numpy.load(sys.argv[1])
torch.save({name: torch.tensor(kernels[name]) for name in kernels.files}, sys.argv[2])
"""


def convert(bin: Path, model: Path) -> None:
    """Write the weights `vgg16_imagenet` as a file of PyTorch, by the environment `bin`."""
    state = {}
    kernels = list(weights.load(weights.INSTALLED).values())
    unused = (np.zeros((3, 3, 512, 512), np.float32), np.zeros(512, np.float32))  # behind the deepest layer of a peer
    kernels += [unused] * (len(INDICES) - len(kernels))
    for index, (kernel, bias) in zip(INDICES, kernels, strict=True):
        state[f"features.{index}.weight"] = kernel.transpose(3, 2, 0, 1)
        state[f"features.{index}.bias"] = bias
    arrays = model.with_suffix(".npz")
    np.savez(arrays, **state)
    subprocess.run([bin / "python", "-c", _CONVERT, arrays, model], check=True)
    arrays.unlink()


def command(
    peer: str,
    bin: Path,
    model: Path,
    content: Path,
    style: Path,
    output: Path,
    size: int,
    iterations: int,
    every: int = 0,
) -> list[str]:
    """What starts a peer, which prints `Iteration N` at each one and writes OUTPUT_N.png at every `every`th."""
    if peer == "neural_style":
        options = {"content_image": content, "style_image": style, "output_image": output, "image_size": size}
        options |= {"num_iterations": iterations, "save_iter": every, "print_iter": 1, "model_file": model}
        options |= {"gpu": "c", "backend": "mkl", "tv_weight": 0, "init": "image"}
        named = [str(part) for name, value in options.items() for part in (f"-{name}", value)]
        return [str(bin / "neural-style"), *named, "-disable_check"]
    script = Path(__file__).with_name("pystiche_nst.py")
    files = [bin / "python", script, content, style, output, "--model", model]
    return [str(part) for part in (*files, "--iterations", iterations, "--every", every)]


def run(command: list[str]) -> Iterator[float]:
    """Carry a command out, and yield the clock at each of its iterations.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=unbuffered) as process:
        try:
            for line in process.stdout:
                if re.match(r"Iteration \d+", line):
                    yield time.perf_counter()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def seconds_per_iteration(command: list[str]) -> float:
    """Median over the iterations of a short run; the first, which also warms up, does not count."""
    clock = list(run(command))
    return statistics.median(after - before for before, after in itertools.pairwise(clock[1:]))
