"""What tiles cost in time, and what they save in memory.

    python benchmarks/tiling.py overhead
    python benchmarks/tiling.py memory
    python benchmarks/tiling.py largest

"overhead": seconds per step of the default recipe's objective over the whole image and by tiles, in one process, in
turn. "memory": peak resident memory of whole runs by size, by tiles and by optimizer, each in a process of its own,
beside the estimate that `tile="auto"` goes by. "largest": 4096 x 4096 pixels. Each adds what it found to
benchmarks/tiling.json.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from workers import processor

REPORT = Path(__file__).with_suffix(".json")
RUNS = [  # size, optimizer, tile
    (512, "adam", None),
    (512, "lbfgs", None),
    (512, "adam", 288),
    (1024, "adam", None),
    (1024, "lbfgs", None),
    (1024, "adam", 512),
    (1024, "lbfgs", 512),
    (2048, "adam", 512),
    (2048, "adam", 1024),
    (2048, "adam", None),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["overhead", "memory", "largest"])
    parser.add_argument("--size", type=int, default=1024, help="of the overhead, in pixels")
    parser.add_argument("--tiles", type=int, nargs="+", default=[1024, 576, 352], help="of the overhead, in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--upto", type=int, default=2048, help="of the memory, in pixels")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(peak(*json.loads(given.run))))
        return
    found: Any
    if given.what == "overhead":
        found = overhead(given.size, given.tiles, given.rounds)
    else:
        found = [
            measured(run)
            for run in (RUNS if given.what == "memory" else [(4096, "adam", 512)])
            if run[0] <= max(given.upto, 4096 * (given.what == "largest"))
        ]
    report = json.loads(REPORT.read_text()) if REPORT.exists() else {}
    report |= {"processor": processor(), "cores": len(os.sched_getaffinity(0)), given.what: found}
    REPORT.write_text(json.dumps(report, indent=2) + "\n")


def overhead(size: int, tiles: list[int], rounds: int) -> dict[str, Any]:
    """Median seconds of a step, whole and by tiles, taken in turn."""
    from keras_style import Stylizer, backbones
    from keras_style.optimize.gradient import losses_and_gradient
    from keras_style.optimize.objective import Objective
    from keras_style.optimize.tiled import tiled_losses_and_gradient
    from keras_style.runtime import tf

    random = np.random.default_rng(0)
    image, content, style = (random.random((1, size, size, 3), np.float32) for _ in range(3))
    backbone, objective = backbones.get("vgg16_bsds500"), Objective(Stylizer()._blend.terms())
    bound = objective.bind(backbone, content, [style])
    contenders = {"whole": tf.function(losses_and_gradient(bound, image.shape, image.dtype), autograph=False)}
    for tile in tiles:
        if tile < size:
            contenders[str(tile)] = tiled_losses_and_gradient(
                objective, backbone, tile, image.shape, image.dtype, content, [style]
            )
    pixels = tf.constant(image)
    gradients = {name: evaluate(pixels, 1)[1].numpy() for name, evaluate in contenders.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, evaluate in contenders.items():
            began = time.perf_counter()
            evaluate(pixels, 1)[1].numpy()
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    length = np.linalg.norm(gradients["whole"])
    found = {
        name: {
            "median_seconds": round(median, 3),
            "over_whole": round(median / medians["whole"], 3),
            "gradient_difference": float(np.linalg.norm(gradients[name] - gradients["whole"]) / length),
        }
        for name, median in medians.items()
    }
    for name, row in found.items():
        print(
            f"{size} px, {name:>6s}: {row['median_seconds']:.2f} s a step, {row['over_whole']:.2f} of the whole", end=""
        )
        print(f"; gradients differ by {row['gradient_difference']:.1e}")
    return {"size": size, "rounds": rounds, "tiles": found}


def measured(run: tuple[int, str, int | None]) -> dict[str, Any]:
    line = [sys.executable, __file__, "memory", "--run", json.dumps(run)]
    answer = subprocess.run(line, capture_output=True, text=True, check=False)
    if answer.returncode:
        print(f"{run}: status {answer.returncode}: {answer.stderr.strip().splitlines()[-1:]}")
        return {"run": run, "failed": answer.returncode}
    row = json.loads(answer.stdout)
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def peak(size: int, optimizer: str, tile: int | None) -> dict[str, Any]:
    """Peak resident memory of two steps in this process."""
    import keras_style
    from keras_style import memory

    random = np.random.default_rng(0)
    photograph, painting = (random.random((size, size, 3), np.float32) for _ in range(2))
    plans = []
    original = memory.plan
    memory.plan = lambda work, free: plans.append(work) or original(work, None)
    stylizer = keras_style.Stylizer(size=size, scales=1, steps=2, optimizer=optimizer, tile="auto")
    if tile is not None:
        memory.plan = lambda work, free: plans.append(work) or (tile, "")
    began = time.perf_counter()
    stylizer(photograph, painting, verbose=0)
    return {
        "size": size,
        "optimizer": optimizer,
        "tile": tile,
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 3),
        "estimated_gb": round(memory.estimate(plans[0], tile) / 1e9, 3),
        "seconds": round(time.perf_counter() - began, 1),
    }


if __name__ == "__main__":
    main()
