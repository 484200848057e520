"""What the embedded server adds to a request: a picture through gRPC against the same graph called directly.

    python benchmarks/server.py [--size 256] [--repeats 30] [--json FILE]

Both have a process of their own with the same SavedModel, loaded in the same way, and take turns. The direct call is
timed around the session, the other one in this process, around `StyleClient.stylize`: float pixels to float pixels by
`serving_default`, and an encoded file to an encoded file by `serving_bytes`, whose coding is part of the graph.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import workers

from keras_style.server import Server
from keras_style.serving import StyleClient

PHOTOGRAPH = Path(__file__).resolve().parent.parent / "examples" / "content" / "neuschwanstein_castle.jpg"
NETWORKS = [("resnet_9", 64), ("resnet_6", 24)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256, help="height and width in pixels")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"), help="file of the report")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker)
        return
    report: dict[str, Any] = {
        "processor": workers.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "size": given.size,
        "rounds": given.repeats,
        "networks": {},
    }
    for generator, filters in NETWORKS:
        report["networks"][f"{generator}/{filters}"] = race(generator, filters, given.size, given.repeats)
    given.json.write_text(json.dumps(report, indent=2) + "\n")


def race(generator: str, filters: int, size: int, repeats: int) -> dict[str, dict[str, float]]:
    """Seconds by what is sent: pixels, or a file."""
    with tempfile.TemporaryDirectory() as models:
        processes = [workers.start(__file__, name) for name in ("direct", "served")]
        try:
            direct, served = processes
            workers.ask(direct, json.dumps([generator, filters, models, size]))  # writes what both load
            client = StyleClient(workers.ask(served, models), "generator")
            picture = Path(models, ".picture.jpg").read_bytes()
            pixels = np.load(Path(models, ".picture.npy"))
            if np.abs(client.stylize(pixels).array - np.array(workers.ask(direct, "compute"))).max() > 1e-5:
                sys.exit("the server answers something else: the race would be unfair")
            found = {}
            for name, content in (("pixels", pixels), ("file", picture)):
                seconds = taken_in_turn(client, direct, name, content, repeats)
                found[name] = summary(f"{generator}, {filters} filters, {name} of {size} x {size}", *seconds)
            return found
        finally:
            for process in processes:
                process.kill()
                process.wait()


def taken_in_turn(client: StyleClient, direct: Any, name: str, content: Any, repeats: int) -> list[list[float]]:
    """Seconds of direct and of served calls; the first of each warms up."""
    seconds: list[list[float]] = [[], []]
    for _ in range(repeats + 1):
        seconds[0].append(workers.ask(direct, name))
        started = time.perf_counter()
        client.stylize(content)
        seconds[1].append(time.perf_counter() - started)
    return [each[1:] for each in seconds]


def summary(title: str, direct: list[float], served: list[float]) -> dict[str, float]:
    p50 = [statistics.median(seconds) for seconds in (direct, served)]
    # Neighbours differ least in what else the machine did.
    added = statistics.median(b - a for a, b in zip(direct, served, strict=True))
    ratio = p50[1] / p50[0]
    print(
        f"{title}: direct {p50[0]:.4f} s, served {p50[1]:.4f} s, served / direct = {ratio:.3f}, "
        f"added by a request: {1000 * added:.1f} ms",
        flush=True,
    )
    return {
        "direct_seconds": round(p50[0], 5),
        "served_seconds": round(p50[1], 5),
        "served_over_direct": round(ratio, 3),
        "added_milliseconds": round(1000 * added, 2),
    }


def work(name: str) -> None:
    if name == "served":
        serve(sys.stdin.readline().strip())
    else:
        call_directly(*json.loads(sys.stdin.readline()))


def serve(models: str) -> None:
    with Server(models, port=0) as server:
        print(json.dumps(server.address), flush=True)
        sys.stdin.read()


def call_directly(generator: str, filters: int, models: str, size: int) -> None:
    from keras_style import images
    from keras_style.export import export_saved_model
    from keras_style.models.resnet_generator import ResNetGenerator
    from keras_style.server.loaded_version import LoadedVersion

    photograph = images.resize(images.load(PHOTOGRAPH), size, size)
    images.save(photograph, Path(models, ".picture.jpg"), quality=95)
    np.save(Path(models, ".picture.npy"), photograph)
    network = ResNetGenerator(int(generator.removeprefix("resnet_")), filters)
    loaded = LoadedVersion(export_saved_model(network, Path(models, "generator"), warmup=False))
    sent = {
        "pixels": ("serving_default", "image", photograph[None]),
        "file": ("serving_bytes", "image_bytes", np.array([Path(models, ".picture.jpg").read_bytes()], object)),
    }
    print("null", flush=True)
    for line in sys.stdin:
        name, key, value = sent["pixels" if line.strip() == "compute" else line.strip()]
        signature = loaded.signatures[name]
        started = time.perf_counter()
        (answer,) = loaded.run({signature.inputs[key].name: value}, [signature.outputs[key].name])
        seconds = time.perf_counter() - started
        print(json.dumps(answer[0].tolist() if line.strip() == "compute" else seconds), flush=True)


if __name__ == "__main__":
    main()
