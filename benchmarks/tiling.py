"""What tiles cost in time, and what they save in memory.

    python benchmarks/tiling.py --parts overhead memory
    python benchmarks/tiling.py --parts large [--peer BIN]

overhead: seconds per step of the default recipe's objective over the whole image and by tiles, in one process, in turn.
memory: peak resident memory of two steps by size, tiles, optimizer and method, each in a process of its own, beside the
estimate that `tile="auto"` goes by; and of translations by the paper's generator, whole and in strips.
large: 4096 x 4096 pixels by two steps of Adam in a process limited to 6 GB (`ulimit -d`), in the tiles that "auto"
takes; and two iterations of each peer under the same limit, if BIN is the bin directory of an environment with them
(`make .venv/peer/.installed`). Each adds what it found to benchmarks/tiling.json.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import peers
from workers import processor

from keras_style import images

REPORT = Path(__file__).with_suffix(".json")
RUNS = [  # size, optimizer, tile, method
    (512, "adam", None, "gatys"),
    (512, "lbfgs", None, "gatys"),
    (512, "adam", 288, "gatys"),
    (512, "adam", None, "histogram"),
    (512, "adam", 288, "histogram"),
    (512, "adam", None, "sliced_wasserstein"),
    (512, "adam", 288, "sliced_wasserstein"),
    (1024, "adam", None, "gatys"),
    (1024, "lbfgs", None, "gatys"),
    (1024, "adam", 512, "gatys"),
    (1024, "lbfgs", 512, "gatys"),
    (2048, "adam", None, "gatys"),
    (2048, "adam", 1024, "gatys"),
    (2048, "adam", 512, "gatys"),
    (2048, "lbfgs", 512, "gatys"),
]
TRANSLATIONS = [(1024, None), (1024, 128), (2048, None), (2048, 128), (4096, 128)]  # size, tile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=["overhead", "memory", "large"], default=["overhead", "memory"])
    parser.add_argument("--size", type=int, default=1024, help="of the overhead, in pixels")
    parser.add_argument("--tiles", type=int, nargs="+", default=[768, 576, 352], help="of the overhead, in pixels")
    parser.add_argument("--rounds", type=int, default=5, help="of the overhead")
    parser.add_argument("--upto", type=int, default=2048, help="of the memory, in pixels")
    parser.add_argument("--large", type=int, default=4096, help="of the large picture, in pixels")
    parser.add_argument("--limit", type=float, default=6.0, help="of the large picture's process, in GB")
    parser.add_argument(
        "--peer", type=Path, help="bin directory of an environment with the peers, for the large picture"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--run", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        name, *arguments = json.loads(given.run)
        print(json.dumps({"peak": peak, "translation": translation, "large": large}[name](*arguments)))
        return
    found: dict[str, Any] = {}
    if "overhead" in given.parts:
        found["overhead"] = overhead(given.size, given.tiles, given.rounds)
    if "memory" in given.parts:
        found["memory"] = [measured("peak", *run) for run in RUNS if run[0] <= given.upto]
        found["translation"] = [measured("translation", *run) for run in TRANSLATIONS if run[0] <= given.upto]
    if "large" in given.parts:
        found["large"] = measured("large", given.large, given.limit)
        if given.peer:
            found["peers"] = {name: peer(name, given.peer, given.large, given.limit) for name in peers.PEERS}
    report = json.loads(given.out.read_text()) if given.out.exists() else {}
    report |= {"processor": processor(), "cores": len(os.sched_getaffinity(0)), **found}
    given.out.write_text(json.dumps(report, indent=2) + "\n")


def overhead(size: int, tiles: list[int], rounds: int) -> dict[str, Any]:
    """Median seconds of a step, whole and by tiles, taken in turn."""
    from keras_style import Stylizer, backbones
    from keras_style.internal.tensorflow import tf
    from keras_style.optimize.gradient import losses_and_gradient
    from keras_style.optimize.objective import Objective
    from keras_style.optimize.targets import Targets
    from keras_style.optimize.tiling.tiled_losses import tiled_losses_and_gradient

    random = np.random.default_rng(0)
    image, content, style = (random.random((1, size, size, 3), np.float32) for _ in range(3))
    backbone, objective = backbones.get("vgg16_imagenet"), Objective(Stylizer().blend.terms())
    targets = Targets(content, [style])
    bound = objective.bind(backbone, targets)
    contenders = {"whole": losses_and_gradient(bound, image.shape, image.dtype)}
    for tile in tiles:
        if tile < size:
            contenders[str(tile)] = tiled_losses_and_gradient(
                objective, backbone, tile, image.shape, image.dtype, targets
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


def measured(*run: Any) -> dict[str, Any]:
    """A function of this file with its arguments, in a process of its own."""
    line = [sys.executable, __file__, "--run", json.dumps(run)]
    answer = subprocess.run(line, capture_output=True, text=True, check=False)
    if answer.returncode:
        row = {"run": run, "failed": answer.returncode, "last_words": answer.stderr.strip().splitlines()[-1:]}
    else:
        row = json.loads(answer.stdout)
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def peak(size: int, optimizer: str, tile: int | None, method: str) -> dict[str, Any]:
    """Peak resident memory of two steps in this process, and its estimate."""
    from keras_style import Stylizer
    from keras_style.optimize.tiling import memory

    works = []
    memory.plan = lambda work, free: works.append(work) or (tile, "")
    stylizer = Stylizer(method=method, size=size, scales=1, steps=2, optimizer=optimizer, tile="auto")
    photograph, painting = pictures(size, size)
    stylizer(photograph, painting, verbose=0)
    return {
        "method": method,
        "optimizer": optimizer,
        "size": size,
        "tile": tile,
        "peak_gb": peak_gb(),
        "estimated_gb": round(memory.estimate(works[0], tile) / 1e9, 3),
    }


def translation(size: int, tile: int | None) -> dict[str, Any]:
    """Peak resident memory of a translation in this process."""
    from keras_style.models import ResNetGenerator, translate

    generator, (picture,) = ResNetGenerator(seed=0), pictures(size)
    translate(generator, picture, tile=tile)
    return {"size": size, "tile": tile, "peak_gb": peak_gb()}


def large(size: int, limit: float) -> dict[str, Any]:
    """A picture by two steps of `gatys` in this process, which gets no more than `limit` GB.

    The limit is of what the process maps to write to: that of the address space would count libraries too, and what
    threads reserve and never touch.
    """
    limit_memory(limit)
    from keras_style import transfer
    from keras_style.optimize.tiling import memory

    plans = []
    original = memory.plan
    memory.plan = lambda work, free: plans.append(original(work, free)) or plans[0]
    photograph, painting = pictures(size, min(size, 1024))
    result = transfer(photograph, painting, size=size, steps=2, scales=1, optimizer="adam", verbose=0)
    ((tile, line),) = plans
    return {
        "size": size,
        "limit_gb": limit,
        "tile": tile,
        "plan": line,
        "peak_gb": peak_gb(),
        "loss": [float(f"{value:.4g}") for value in result.history["loss"]],
    }


def peer(name: str, bin: Path, size: int, limit: float) -> dict[str, Any]:
    """How two iterations of a peer end in a process that gets no more than `limit` GB."""
    with tempfile.TemporaryDirectory() as folder:
        model, *files, output = (Path(folder, each) for each in ("vgg16.pth", "photo.png", "painting.png", "out.png"))
        peers.convert(bin, model)
        for file, picture in zip(files, pictures(size, min(size, 1024)), strict=True):
            images.save(picture, file)
        line = peers.command(name, bin, model, *files, output, size, iterations=2)
        words = Path(folder, "words")
        with words.open("w") as errors:
            process = subprocess.Popen(
                line, stdout=subprocess.DEVNULL, stderr=errors, preexec_fn=lambda: limit_memory(limit)
            )
        _, status, usage = os.wait4(process.pid, 0)  # of this process alone
        found: dict[str, Any] = {"peak_gb": gb(usage)}
        if status:
            last = words.read_text().strip().splitlines()[-1:]
            found = {"failed": os.waitstatus_to_exitcode(status), "last_words": last}
    print(f"{name}: {found}", flush=True)
    return found


def limit_memory(limit: float) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (int(limit * 1e9), resource.RLIM_INFINITY))


def pictures(*sizes: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.random((size, size, 3), np.float32) for size in sizes]


def peak_gb() -> float:
    return gb(resource.getrusage(resource.RUSAGE_SELF))


def gb(usage: resource.struct_rusage) -> float:
    return round(usage.ru_maxrss * 1024 / 1e9, 3)


if __name__ == "__main__":
    main()
