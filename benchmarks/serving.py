"""Speed of an exported generator, run as TensorFlow Serving runs it, beside PyTorch and onnxruntime.

    python benchmarks/serving.py

The SavedModel is loaded by TensorFlow's C++ loader into a session, without XLA, with oneDNN on and off; the ONNX file
comes from the same weights. One picture in [0, 1] goes in and one comes out.

Every contender runs in a process of its own; in each round each of them computes one picture, in turn, while the others
wait. All start from the same weights, and must come to the same picture. Prints medians of wall-clock and of processor
time (which other programs on the machine disturb less) and ratios, and writes benchmarks/serving.json.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import workers
from cyclegan import pictures, weights
from workers import ask, processor

CONTENDERS = {
    "served": "the SavedModel in a session, oneDNN on",
    "served_without_onednn": "the SavedModel in a session, oneDNN off",
    "torch_nchw": "PyTorch, eager, NCHW",
    "torch_channels_last": "PyTorch, eager, channels_last",
    "onnxruntime": "onnxruntime on the exported ONNX file",
}
BAR = "torch_channels_last"
NETWORKS = ("9/64", "6/24")  # blocks and filters
WARM_UP = 3
TOLERANCE = 1e-4  # of values in [0, 1]

Step = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--size", type=int, default=256, help="side of the picture")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="residual blocks / filters")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"), help="file of the report")
    parser.add_argument("--worker", choices=[*CONTENDERS, "export"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        serve(given.worker)
        return
    report: dict[str, Any] = {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in ("tensorflow", "keras", "torch", "onnxruntime")},
        "size": given.size,
        "rounds": given.rounds,
        "contenders": CONTENDERS,
        "networks": {},
    }
    print(f"{report['processor']}, {report['cores']} cores, load {report['load_before']} before", flush=True)
    for network in given.networks:
        blocks, filters = map(int, network.split("/"))
        report["networks"][network] = race(blocks, filters, given.size, given.rounds)
    given.json.write_text(json.dumps(report, indent=2) + "\n")


def race(blocks: int, filters: int, size: int, rounds: int) -> dict[str, Any]:
    """Seconds of each contender, and how fast it is relative to `BAR`."""
    with tempfile.TemporaryDirectory() as folder:
        exporter = start("export")
        ask(exporter, f"{folder} {blocks} {filters} {size}")
        exporter.kill()
        processes = {name: start(name) for name in CONTENDERS}
        try:
            for process in processes.values():
                ask(process, f"{folder} {blocks} {filters} {size}")
            turns = [
                {name: ask(process, "again") for name, process in processes.items()} for _ in range(WARM_UP + rounds)
            ]
        finally:
            for process in processes.values():
                process.kill()
    expected = np.array(turns[0][BAR]["numbers"])
    print(f"\n{blocks} blocks, {filters} filters, {size} x {size} pixels")
    rated: dict[str, Any] = {}
    for name in CONTENDERS:
        difference = np.abs(np.array(turns[0][name]["numbers"]) - expected).max()
        if difference > TOLERANCE:
            sys.exit(f"{name} differs from PyTorch by {difference}: the race would be unfair")
        medians = {
            kind: [statistics.median(turn[one][kind] for turn in turns[WARM_UP:]) for one in (name, BAR)]
            for kind in ("wall", "processor")
        }
        ratios = {kind: bar / own for kind, (own, bar) in medians.items()}
        print(
            f"  {name:22s} {medians['wall'][0]:.4f} s, processor {medians['processor'][0]:.4f} s   speed / {BAR}'s: "
            f"{ratios['wall']:.2f} by the clock, {ratios['processor']:.2f} by processor time",
            flush=True,
        )
        rated[name] = {
            "median_seconds": round(medians["wall"][0], 4),
            "median_processor_seconds": round(medians["processor"][0], 4),
            "speed_over_torch_channels_last": round(ratios["wall"], 3),
            "speed_over_torch_channels_last_by_processor_time": round(ratios["processor"], 3),
        }
    return rated


def start(name: str) -> Any:
    return workers.start(__file__, name, TF_ENABLE_ONEDNN_OPTS="0" if name == "served_without_onednn" else "1")


def serve(name: str) -> None:
    """Answer requests on standard input: first `FOLDER BLOCKS FILTERS SIZE`, then one line a picture."""
    folder, *values = sys.stdin.readline().split()
    blocks, filters, size = map(int, values)
    if name == "export":
        export(Path(folder), blocks, filters)
        print("null", flush=True)
        return
    step = {"served": session, "served_without_onednn": session, "onnxruntime": onnx}.get(name, eager)(
        name, Path(folder), blocks, filters
    )
    print("null", flush=True)
    picture = pictures(size, size)[0]
    for _ in sys.stdin:
        started, used = time.perf_counter(), time.process_time()
        result = step(picture)
        seconds, processor_seconds = time.perf_counter() - started, time.process_time() - used
        numbers = np.ravel(result)[:: 1 + result.size // 500].tolist()
        print(json.dumps({"wall": seconds, "processor": processor_seconds, "numbers": numbers}), flush=True)


def export(folder: Path, blocks: int, filters: int) -> None:
    from keras_style.export import export_onnx, export_saved_model
    from keras_style.models.resnet_generator import ResNetGenerator

    generator = ResNetGenerator(blocks, filters)
    generator.set_weights(weights([variable.shape for variable in generator.weights], 0))
    export_saved_model(generator, folder / "served", warmup=False)
    export_onnx(generator, folder / "generator.onnx")


def session(name: str, folder: Path, blocks: int, filters: int) -> Step:
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default():
        running = tf.Session()
        signature = tf.saved_model.load(running, ["serve"], str(folder / "served" / "1")).signature_def[
            "serving_default"
        ]
    image, answer = signature.inputs["image"].name, signature.outputs["image"].name
    return lambda picture: running.run(answer, {image: picture[None]})[0]


def onnx(name: str, folder: Path, blocks: int, filters: int) -> Step:
    import onnxruntime

    running = onnxruntime.InferenceSession(folder / "generator.onnx", providers=["CPUExecutionProvider"])
    return lambda picture: running.run(None, {"image": picture[None]})[0][0]


def eager(name: str, folder: Path, blocks: int, filters: int) -> Step:
    import torch_cyclegan

    generator = torch_cyclegan.generator(name, blocks, filters, weights, 0).eval()
    return lambda picture: torch_cyclegan.translate(generator, name, picture)


if __name__ == "__main__":
    main()
