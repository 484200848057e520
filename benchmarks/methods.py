"""Seconds per optimization step of every method, as a multiple of gatys', in one run.

    python benchmarks/methods.py

A step is the loss and its gradient with respect to the image, for the terms of each method's default variant between a
photograph and a painting of examples/. In each round every method takes one step, in turn. Prints medians and ratios,
and writes benchmarks/methods.json.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from workers import processor

from keras_style import Objective, backbones, images
from keras_style.internal.tensorflow import tf
from keras_style.optimize.gradient import losses_and_gradient
from keras_style.optimize.targets import Targets
from keras_style.painting import methods

EXAMPLES = Path(__file__).parent.parent / "examples"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512], help="sides of the square images")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--methods", nargs="+", default=[name for name in methods.METHODS if name != "painter"])
    given = parser.parse_args()
    report = {"processor": processor(), "rounds": given.rounds, "sizes": {}}
    for size in given.sizes:
        steps = {name: prepare(name, size) for name in dict.fromkeys(["gatys", *given.methods])}
        seconds: dict[str, list[float]] = {name: [] for name in steps}
        for number in range(given.rounds + 1):
            for name, step in steps.items():
                started = time.perf_counter()
                step(number)
                seconds[name].append(time.perf_counter() - started)
        medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}  # the first one traces
        print(f"\n{size} x {size}: gatys {medians['gatys']:.3f} s")
        for name, median in medians.items():
            print(f"  {name:20s} {median:7.3f} s   {median / medians['gatys']:.2f} times gatys")
        report["sizes"][size] = {
            name: {"median_seconds": round(median, 4), "over_gatys": round(median / medians["gatys"], 3)}
            for name, median in medians.items()
        }
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n")


def prepare(name: str, size: int):
    """One step of the method, as a function of the number of the step."""
    photograph = images.resize(images.load(EXAMPLES / "content" / "neuschwanstein_castle.jpg"), size, size)[None]
    painting = images.resize(images.load(EXAMPLES / "style" / "vangogh_cafe_terrace_at_night.png"), size, size)[None]
    variant = methods.get(name).variant("default")
    objective = Objective(methods.get(name).terms(variant), variant.balance)
    losses = objective.bind(backbones.get(variant.backbone, pooling=variant.pooling), Targets(photograph, [painting]))
    evaluate = losses_and_gradient(losses, photograph.shape, photograph.dtype)
    at = tf.constant(0.9 * photograph + 0.1 * painting)
    return lambda number: evaluate(at, tf.constant(number, tf.int64))[1].numpy()


if __name__ == "__main__":
    main()
