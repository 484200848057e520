"""Seconds and memory of the matting Laplacian loss, beside the sparse matrix that others build and multiply with.

    python benchmarks/matting.py

On a photograph of 1024 x 1024 pixels, at epsilon 1e-7 and radius 1. "build" is done once for a photograph: what the
loss keeps of it, or the matrix. "step" is value and gradient at an image. Every contender runs in a process of its own,
in turn. Memory is the peak of its first build and step over what the process had with its programs and both images
loaded; for ours that includes tracing the graph. Prints medians and ratios, and writes benchmarks/matting.json.
Needs Linux, and PyMatting, which compiles itself for a minute.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from workers import ask, processor

ROOT = Path(__file__).resolve().parent.parent
PHOTOGRAPH = ROOT / "examples" / "content" / "red_panda.jpg"
EPSILON = 1e-7
CONTENDERS = {
    "keras_style": "box filters in TensorFlow, no matrix",
    "pymatting": "cf_laplacian, compiled by numba",
    "scipy": "the formula, vectorized in NumPy, as a scipy.sparse matrix",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="side of the square photograph")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", choices=CONTENDERS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        serve(given.worker, given.size)
        return
    report = {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "size": given.size,
        "rounds": given.rounds,
        "contenders": race(given.size, given.rounds),
    }
    step = report["contenders"]["keras_style"]["step_seconds"]
    for name, measured in report["contenders"].items():
        ratio = measured["build_over_step_of_keras_style"] = round(measured["build_seconds"] / step, 1)
        print(
            f"{name:12s} build {measured['build_seconds']:7.3f} s   step {measured['step_seconds']:6.3f} s   "
            f"memory {measured['megabytes']:6.0f} MB   build / step of keras_style = {ratio}"
        )
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n")


def race(size: int, rounds: int) -> dict[str, dict[str, float]]:
    """Medians of each contender, whose rounds are interleaved; the first round, which warms up, is not among them."""
    workers = {name: start(name, size) for name in CONTENDERS}
    try:
        values = {name: ask(worker, "value") for name, worker in workers.items()}
        for name, value in values.items():
            if abs(value - values["scipy"]) > 1e-4 * values["scipy"]:
                sys.exit(f"{name} computes {value}, the formula {values['scipy']}: the race would be unfair")
        megabytes = {name: ask(worker, "memory") for name, worker in workers.items()}
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in workers}
        for _ in range(rounds):
            for name, worker in workers.items():
                seconds[name].append((ask(worker, "build"), ask(worker, "step")))
    finally:
        for worker in workers.values():
            worker.kill()
    result = {}
    for name, times in seconds.items():
        build, step = (round(statistics.median(each), 4) for each in zip(*times, strict=True))
        result[name] = {"build_seconds": build, "step_seconds": step, "megabytes": round(megabytes[name], 1)}
    return result


def start(name: str, size: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, __file__, "--worker", name, "--size", str(size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )


def serve(name: str, size: int) -> None:
    """Answer requests on standard input: `value`, `memory` in MB, and the seconds of `build` and `step`."""
    photograph, image = pictures(size)
    build = {"keras_style": ours, "pymatting": pymatting, "scipy": scipy}[name](photograph, image)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    step: Callable[[], float] = lambda: 0.0
    for line in sys.stdin:
        request = line.strip()
        started = time.perf_counter()
        if request in ("value", "build"):
            step = build()
        answer = time.perf_counter() - started
        if request in ("value", "step"):
            value = step()
            answer = value if request == "value" else time.perf_counter() - started
        print(resident("VmHWM") - before if request == "memory" else answer, flush=True)


def pictures(size: int) -> list[np.ndarray]:
    """Photograph and image, (size, size, 3) float32 in [0, 1]: the image is the photograph with grain."""
    from keras_style import images

    photograph = images.resize(images.load(PHOTOGRAPH), size, size)
    grain = np.random.default_rng(0).normal(0, 0.1, photograph.shape)
    return [photograph, (photograph + grain).clip(0, 1).astype(np.float32)]


def ours(photograph: np.ndarray, image: np.ndarray) -> Callable[[], Callable[[], float]]:
    from keras_style.internal.tensorflow import tf
    from keras_style.losses import MattingLaplacianLoss
    from keras_style.optimize.gradient import losses_and_gradient

    loss = MattingLaplacianLoss(epsilon=EPSILON)
    at = tf.constant(image[None])

    def traced(target: dict[str, tf.Tensor]) -> Callable:
        def losses(images: tf.Tensor, _: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"matting": loss.distance(target, loss.statistics(images))[0]}

        return losses_and_gradient(losses, at.shape, np.float32)

    evaluate: list[Callable] = []

    def build() -> Callable[[], float]:
        target = loss.statistics(tf.constant(photograph[None]))
        if not evaluate:  # builds are all alike, and the graph need not be traced again
            evaluate.append(traced(target))
        return step

    def step() -> float:
        values, gradient = evaluate[0](at, tf.constant(0, tf.int64))
        gradient.numpy()
        return float(values["matting"])

    return build


def pymatting(photograph: np.ndarray, image: np.ndarray) -> Callable[[], Callable[[], float]]:
    from pymatting import cf_laplacian

    cf_laplacian(photograph[:8, :8].astype(np.float64), epsilon=EPSILON)
    return lambda: multiplied(cf_laplacian(photograph.astype(np.float64), epsilon=EPSILON), image)


def scipy(photograph: np.ndarray, image: np.ndarray) -> Callable[[], Callable[[], float]]:
    sys.path.insert(0, str(ROOT / "tests"))
    from oracles import matting

    matting.laplacian(photograph[:8, :8], epsilon=EPSILON)
    return lambda: multiplied(matting.laplacian(photograph, epsilon=EPSILON), image)


def multiplied(matrix, image: np.ndarray) -> Callable[[], float]:
    channels = image.astype(np.float64).reshape(-1, 3)

    def step() -> float:
        product = matrix @ channels
        gradient = (2 * product).astype(np.float32)
        assert gradient.shape == channels.shape
        return float((channels * product).sum())

    return step


def resident(field: str) -> float:
    """`VmRSS` or its peak `VmHWM`, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
