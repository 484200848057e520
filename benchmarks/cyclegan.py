"""Speed of CycleGAN, training and translating, side by side with the same networks and step in PyTorch.

    python benchmarks/cyclegan.py

"train" is `CycleGAN`'s training step on one pair of images: ResNet generators (9 blocks from 256 pixels on, 6 below),
70 x 70 PatchGANs, least squares, cycle and identity losses, two Adams, no image pools. "translate" is one picture
through `models.translate` with the published generator, from an array in [0, 1] to another. "sizes" is a stream of
pictures, each of a size that was not there before, and then the same pictures again.

Every contender runs in a process of its own; in each round each of them takes one step (two at 128 pixels, four at 64),
in turn, while the others wait, so that a machine that speeds up or slows down does so for all. All start from the same
weights, and must come to the same losses and pictures. Prints medians and ratios, and writes benchmarks/cyclegan.json.
Wants an idle machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import workers
from workers import ask, processor

CONTENDERS = {
    "keras_style": "a graph, TensorFlow as the package sets it",
    "keras_style_jit": "jit_compile=True",
    "keras_style_without_onednn": "a graph, TF_ENABLE_ONEDNN_OPTS=0",
    "torch_nchw": "PyTorch, eager, NCHW, as the peers run it",
    "torch_channels_last": "PyTorch, eager, channels_last",
}
TORCH = ("torch_nchw", "torch_channels_last")
PARTS = ("train", "translate", "sizes")
WARM_UP = 3  # calls that are not counted
# Of the first call and of the second, which in training sees what the optimizers did: Adam's first step is little more
# than the gradient's sign, so the last digits of small gradients matter there.
TOLERANCES = (1e-3, 1e-2)

Step = Callable[[np.ndarray], Any]  # of a picture (H, W, 3) in [0, 1]
Answers = dict[str, tuple[float, list[float]]]  # of each contender: seconds, and some of the numbers that came out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256], help="sides of the images trained on")
    parser.add_argument("--filters", type=int, default=32, help="of the first convolutions in training")
    parser.add_argument("--translate-size", type=int, default=256, help="side of the picture translated")
    parser.add_argument("--translate-filters", type=int, default=64, help="of the generator's first convolution there")
    parser.add_argument("--new-sizes", type=int, default=5, help="sizes in the stream after its first")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"), help="file of the report")
    parser.add_argument("--worker", choices=CONTENDERS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        serve(given.worker)
        return
    report: dict[str, Any] = {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in ("tensorflow", "keras", "torch")},
        "rounds": given.rounds,
        "contenders": CONTENDERS,
    }
    print(f"{report['processor']}, {report['cores']} cores, load {report['load_before']} before", flush=True)
    if "train" in given.parts:
        report["train"] = {"filters": given.filters, "auto_is": automatic(), "sizes": {}}
        print(f'compile(jit_compile="auto") is {report["train"]["auto_is"]}')
        for size in given.sizes:
            title = f"train, {size} x {size}, {blocks(size)} blocks, {given.filters} filters"
            seconds = race("train", size, given.filters, given.rounds, max(1, 256 // size))
            report["train"]["sizes"][size] = rated(title, seconds, "pairs_per_second")
    size, filters = given.translate_size, given.translate_filters
    if "translate" in given.parts:
        title = f"translate, {size} x {size}, {blocks(size)} blocks, {filters} filters"
        rates = rated(title, race("translate", size, filters, given.rounds), "images_per_second")
        report["translate"] = {"size": size, "filters": filters, **rates}
    if "sizes" in given.parts:
        report["sizes"] = {"size": size, "filters": filters, **stream(size, filters, given.new_sizes)}
    given.json.write_text(json.dumps(report, indent=2) + "\n")


def blocks(size: int) -> int:
    """Of the generator that the paper has for images of this side."""
    return 9 if size >= 256 else 6


def race(task: str, size: int, filters: int, rounds: int, calls: int = 1) -> dict[str, list[float]]:
    """Seconds of each contender's calls, the warm-up first, interleaved; after it, so many calls in a row as a mean.

    A short step would otherwise be measured as it is after a rest, which no training takes.
    """
    with racing(task, size, filters) as ask_all:
        answers = [ask_all(size, size, 1) for _ in range(WARM_UP)]
        for answer, tolerance in zip(answers, TOLERANCES, strict=False):
            check(answer, tolerance)
        answers += [ask_all(size, size, calls) for _ in range(rounds)]
    return {name: [answer[name][0] for answer in answers] for name in CONTENDERS}


def rated(title: str, seconds: dict[str, list[float]], unit: str) -> dict[str, Any]:
    """Rates by the median, and each over the better of PyTorch's; printed, too."""
    medians = {name: statistics.median(times[WARM_UP:]) for name, times in seconds.items()}
    best = min(TORCH, key=medians.__getitem__)
    print(f"\n{title}")
    rates: dict[str, Any] = {"torch_best": best}
    for name, median in medians.items():
        first, fastest, ratio = seconds[name][0], min(seconds[name][WARM_UP:]), medians[best] / median
        print(
            f"  {name:27s} {1 / median:7.3f} {unit.replace('_', ' ')} ({median:.4f} s, best {fastest:.4f}, first call "
            f"{first:.2f})   rate / {best}'s = {ratio:.3f}",
            flush=True,
        )
        rates[name] = {
            unit: round(1 / median, 4),
            "median_seconds": round(median, 4),
            "best_seconds": round(fastest, 4),
            "first_call_seconds": round(first, 3),
            "rate_over_torch_best": round(ratio, 3),
        }
    return rates


def stream(size: int, filters: int, count: int) -> dict[str, Any]:
    """Seconds of the first and of the second translation at each of several sizes."""
    sizes = [(size + 8 * number, size - 8 * number) for number in range(count + 1)]  # of nearly as many pixels
    with racing("translate", size, filters) as ask_all:
        first, second = ([ask_all(*sides, 1) for sides in sizes] for _ in range(2))
    for answers in first:
        check(answers, TOLERANCES[0])
    print(f"\ntranslate, {count} new sizes of about {size} x {size}, {blocks(size)} blocks, {filters} filters")
    costs: dict[str, Any] = {"new_sizes": count}
    for name in CONTENDERS:
        # The very first call also traces and builds what later sizes share.
        new, known = (statistics.median(answers[name][0] for answers in turn[1:]) for turn in (first, second))
        print(
            f"  {name:27s} first call {first[0][name][0]:6.2f} s   new size {new:7.3f} s   same size again "
            f"{known:7.3f} s   new / again = {new / known:.2f}",
            flush=True,
        )
        costs[name] = {
            "first_call_seconds": round(first[0][name][0], 3),
            "new_size_seconds": round(new, 4),
            "same_size_again_seconds": round(known, 4),
            "new_over_again": round(new / known, 2),
        }
    return costs


def automatic() -> str:
    """The contender that `compile(jit_compile="auto")` is on this machine."""
    worker = start("keras_style")
    try:
        return "keras_style_jit" if ask(worker, "auto 64 1") else "keras_style"
    finally:
        worker.kill()


def check(answers: Answers, tolerance: float) -> None:
    """All contenders must compute the same thing."""
    reference = np.array(answers["torch_nchw"][1])
    for name, (_, numbers) in answers.items():
        wrong = np.abs(np.array(numbers) - reference) - tolerance * np.abs(reference)
        if not (wrong < 1e-4).all():
            at = wrong.argmax()
            sys.exit(f"{name} computes {numbers[at]}, PyTorch {reference[at]}: the race would be unfair")


@contextmanager
def racing(task: str, size: int, filters: int) -> Iterator[Callable[[int, int], Answers]]:
    """A process for each contender, and a function that asks them in turn for one call with a picture of a size."""
    processes = {name: start(name) for name in CONTENDERS}

    def ask_all(*request: Any) -> Answers:
        return {name: ask(process, " ".join(map(str, request))) for name, process in processes.items()}

    try:
        ask_all(task, size, filters)
        yield ask_all
    finally:
        for process in processes.values():
            process.kill()


def start(name: str) -> subprocess.Popen:
    # None: the package decides.
    return workers.start(__file__, name, TF_ENABLE_ONEDNN_OPTS="0" if name == "keras_style_without_onednn" else None)


def serve(name: str) -> None:
    """Answer requests on standard input: first `TASK SIZE FILTERS`, then `HEIGHT WIDTH CALLS`."""
    task, *values = sys.stdin.readline().split()
    size, filters = map(int, values)
    if task == "auto":
        print(json.dumps(auto_compiles()), flush=True)
        return
    build = {
        (True, "train"): our_training,
        (True, "translate"): our_translation,
        (False, "train"): torch_training,
        (False, "translate"): torch_translation,
    }[name not in TORCH, task]
    step = build(name, size, filters)
    print("null", flush=True)
    for line in sys.stdin:
        height, width, calls = map(int, line.split())
        picture = pictures(height, width)[0]
        started = time.perf_counter()
        for _ in range(calls):
            result = step(picture)
        seconds = (time.perf_counter() - started) / calls
        numbers = np.ravel(result)
        print(json.dumps([seconds, numbers[:: 1 + numbers.size // 100].tolist()]), flush=True)


# What both sides start from


@cache
def pictures(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures (height, width, 3) in [0, 1]: one for each domain."""
    random = np.random.default_rng(0)
    ramps = np.stack(np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height)), -1)[..., [0, 1, 0]]
    a, b = (0.7 * ramp + 0.3 * random.random((height, width, 3)) for ramp in (ramps, ramps[::-1] ** 2))
    return a.astype(np.float32), b.astype(np.float32)


def weights(shapes: list[tuple[int, ...]], seed: int) -> list[np.ndarray]:
    """Of the shapes that Keras has; biases, too, are drawn, or one in a wrong place would not be seen."""
    random = np.random.default_rng(seed)
    return [random.normal(0, 0.02, shape).astype(np.float32) for shape in shapes]


# keras_style


def auto_compiles() -> bool:
    from keras_style.models.cyclegan import CycleGAN

    gan = CycleGAN(filters=1)
    gan.compile(jit_compile="auto")
    return bool(gan.jit_compile)


def our_training(name: str, size: int, filters: int) -> Step:
    """One step of what `fit` runs."""
    from keras_style.internal.tensorflow import tf
    from keras_style.models.cyclegan import LOSSES, CycleGAN

    gan = CycleGAN(f"resnet_{blocks(size)}", filters, pool_size=0)
    networks = (gan.generator_a2b, gan.generator_b2a, gan.discriminator_a, gan.discriminator_b)
    for seed, network in enumerate(networks):
        network.set_weights(weights([variable.shape for variable in network.weights], seed))
    gan.compile(jit_compile=name == "keras_style_jit")
    gan.make_train_function()
    pair = tuple(picture[None] * 2 - 1 for picture in pictures(size, size))
    data = iter(tf.data.Dataset.from_tensors(pair).repeat())

    def step(_: np.ndarray) -> list[float]:
        logs = gan.train_function(data)
        return [float(logs[loss]) for loss in LOSSES]

    return step


def our_translation(name: str, size: int, filters: int) -> Step:
    from keras_style.models.resnet_generator import ResNetGenerator
    from keras_style.models.translation import translate

    generator = ResNetGenerator(blocks(size), filters)
    generator.set_weights(weights([variable.shape for variable in generator.weights], 0))
    return lambda picture: translate(generator, picture, jit_compile=name == "keras_style_jit")


# PyTorch: networks and order of the step as in junyanz/pytorch-CycleGAN-and-pix2pix


def torch_training(name: str, size: int, filters: int) -> Step:
    import torch_cyclegan

    training = torch_cyclegan.Training(name, blocks(size), filters, weights)
    pair = [torch_cyclegan.images(name, [picture]) for picture in pictures(size, size)]
    seen: list[list[float]] = []

    def step(_: np.ndarray) -> np.ndarray:
        seen.append(training.step(*pair))
        return np.mean(seen, axis=0)  # as Keras logs losses

    return step


def torch_translation(name: str, size: int, filters: int) -> Step:
    import torch_cyclegan

    generator = torch_cyclegan.generator(name, blocks(size), filters, weights, 0).eval()
    return lambda picture: torch_cyclegan.translate(generator, name, picture)


if __name__ == "__main__":
    main()
