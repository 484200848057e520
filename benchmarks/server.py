"""What the embedded server adds to a request: a picture through gRPC against the same graph called directly.

    python benchmarks/server.py [--size 256] [--repeats 30] [--json FILE]

Both have a process of their own with the same SavedModel, loaded in the same way, and take turns. The direct call is
timed around the session, the other one in this process, around the client's call: from an array to an array.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import workers

from keras_style.serving import Server  # before TensorFlow, which others import, too

NETWORKS = [("resnet_9", 64), ("resnet_6", 24)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256, help="height and width in pixels")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker)
        return
    report: dict[str, Any] = {"processor": workers.processor(), "size": given.size, "repeats": given.repeats}
    for generator, filters in NETWORKS:
        report[f"{generator}/{filters}"] = race(generator, filters, given.size, given.repeats)
    if given.json:
        given.json.write_text(json.dumps(report, indent=2) + "\n")


def race(generator: str, filters: int, size: int, repeats: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as models:
        processes = [workers.start(__file__, name) for name in ("direct", "served")]
        try:
            direct, served = processes
            workers.ask(direct, json.dumps([generator, filters, models]))  # writes what both load
            address = workers.ask(served, models)
            call = client(address)
            picture = np.random.default_rng(0).random((1, size, size, 3), np.float32)
            np.save(Path(models, ".picture.npy"), picture)
            expected, answer = np.array(workers.ask(direct, "compute")), call(picture)
            if np.abs(answer.ravel()[:: answer.size // 100] - expected).max() > 1e-5:
                sys.exit("the server answers something else: the race would be unfair")
            seconds: dict[str, list[float]] = {"direct": [], "served": []}
            for _ in range(repeats):
                seconds["direct"].append(workers.ask(direct, "time"))
                started = time.perf_counter()
                call(picture)
                seconds["served"].append(time.perf_counter() - started)
        finally:
            for process in processes:
                process.kill()
                process.wait()
    p50 = {name: statistics.median(values) for name, values in seconds.items()}
    # Neighbours differ least in what else the machine did.
    added = statistics.median(b - a for a, b in zip(*seconds.values(), strict=True))
    ratio = p50["served"] / p50["direct"]
    print(
        f"{generator}, {filters} filters, {size} x {size}: direct {p50['direct']:.4f} s, served {p50['served']:.4f} s, "
        f"served / direct = {ratio:.3f}, added by a request: {1000 * added:.1f} ms",
        flush=True,
    )
    return {
        "direct_seconds": round(p50["direct"], 5),
        "served_seconds": round(p50["served"], 5),
        "served_over_direct": round(ratio, 3),
        "added_milliseconds": round(1000 * added, 2),
    }


def client(address: str) -> Any:
    """A function from an array to an array, by way of the server."""
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    from keras_style.runtime import tf

    stub = prediction_service_pb2_grpc.PredictionServiceStub(
        grpc.insecure_channel(address, [("grpc.max_receive_message_length", -1)])
    )

    def call(picture: np.ndarray) -> np.ndarray:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "generator"
        request.inputs["image"].CopyFrom(tf.make_tensor_proto(picture))
        proto = stub.Predict(request, 600).outputs["image"]
        return np.fromiter(proto.float_val, np.float32).reshape([side.size for side in proto.tensor_shape.dim])

    return call


def work(name: str) -> None:
    if name == "served":
        serve(sys.stdin.readline().strip())
    else:
        call_directly(*json.loads(sys.stdin.readline()))


def serve(models: str) -> None:
    with Server(models, port=0) as server:
        print(json.dumps(server.address), flush=True)
        sys.stdin.read()


def call_directly(generator: str, filters: int, models: str) -> None:
    from keras_style.models.resnet_generator import ResNetGenerator
    from keras_style.saved_model import export_saved_model
    from keras_style.serving.embedded.loaded import Loaded

    network = ResNetGenerator(int(generator.removeprefix("resnet_")), filters)
    loaded = Loaded(export_saved_model(network, Path(models, "generator"), warmup=False))
    signature = loaded.signatures["serving_default"]
    feed, fetch = signature.inputs["image"].name, signature.outputs["image"].name
    print("null", flush=True)
    for line in sys.stdin:
        picture = np.load(Path(models, ".picture.npy"))
        started = time.perf_counter()
        (answer,) = loaded.run({feed: picture}, [fetch])
        seconds = time.perf_counter() - started
        values = answer.ravel()[:: answer.size // 100].tolist()
        print(json.dumps(seconds if line.strip() == "time" else values), flush=True)


if __name__ == "__main__":
    main()
