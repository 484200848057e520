"""Small SavedModels for servers to serve, and requests to them."""

import contextlib
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from google.protobuf import text_format
from running import fresh_environment
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_style.internal.tensorflow import tf
from keras_style.server import Server

LOADING, AVAILABLE, UNLOADING, END = 20, 30, 40, 50
SOON = 0.05  # seconds between two looks of a server from `serve`


class Model(tf.Module):
    """Several signatures; `factor` tells one version from another."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = tf.Variable(float(factor))

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="image")])
    def images(self, image):
        kernel = tf.reshape(self.factor * tf.eye(3), [1, 1, 3, 3])
        return {"image": tf.nn.conv2d(image, kernel, 1, "SAME")}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def encoded(self, image_bytes):
        def turn(data):
            picture = tf.io.decode_image(data, 3, expand_animations=False)
            return tf.io.encode_png(255 - picture)

        return {"image_bytes": tf.map_fn(turn, image_bytes, tf.string)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, name="content"),
            tf.TensorSpec([None], tf.float32, name="style"),
            tf.TensorSpec([], tf.int32, name="steps"),
        ]
    )
    def stylized(self, content, style, steps):
        return {"image": content + tf.cast(steps, tf.float32) * style, "difference": content - style}

    @tf.function(input_signature=[tf.TensorSpec([], tf.string, name="file")])
    def held(self, file):
        """Run until the file exists: a request that lasts as long as a test wants."""

        def is_missing(looks):
            pattern = tf.strings.join([file, tf.strings.substr(tf.strings.as_string(looks), 0, 0)])  # in each look
            return tf.size(tf.io.matching_files(pattern)) == 0

        return {"looks": tf.while_loop(is_missing, lambda looks: looks + 1, [tf.constant(0, tf.int64)])[0]}


def save(path: Path, factor: float = 1.0) -> Path:
    """A version with all signatures of `Model`; `stylized` has a default of 3 steps."""
    model = Model(factor)
    signatures = {name: getattr(model, name) for name in ("encoded", "stylized", "held")}
    tf.saved_model.save(model, str(path), {"serving_default": model.images, **signatures})
    _edit(path, lambda found: found["stylized"].defaults["steps"].CopyFrom(tf.make_tensor_proto(3, tf.int32)))
    return path


def _edit(path: Path, change: Any) -> None:
    file = path / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    change(saved.meta_graphs[0].signature_def)
    file.write_bytes(saved.SerializeToString())


class Tiny(tf.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = tf.Variable(float(factor))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": x * self.factor}


def save_tiny(path: Path, factor: float) -> Path:
    """A version that multiplies `x` by a factor."""
    model = Tiny(factor)
    tf.saved_model.save(model, str(path), {"serving_default": model.__call__})
    return path


def publish(source: Path, version: Path) -> None:
    """A copy under a name that no poller reads, which then takes its own."""
    beside = version.with_name(f".{version.name}")
    shutil.copytree(source, beside)
    beside.rename(version)


class Client:
    """Raw stubs of one server."""

    def __init__(self, address: str, credentials: Any = None, **options: Any) -> None:
        arguments = [*{"grpc.max_receive_message_length": -1, **options}.items()]
        self.channel = (
            grpc.secure_channel(address, credentials, arguments)
            if credentials
            else grpc.insecure_channel(address, arguments)
        )
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def predict(self, name: str, inputs: dict[str, Any], timeout: float | None = 60, **spec: Any) -> dict[str, Any]:
        response = self.prediction.Predict(request(name, inputs, **spec), timeout)
        return {alias: tf.make_ndarray(proto) for alias, proto in response.outputs.items()}

    def states(self, name: str) -> dict[int, int]:
        """Versions and their states, in the order of the answer."""
        asked = get_model_status_pb2.GetModelStatusRequest()
        asked.model_spec.name = name
        return {entry.version: entry.state for entry in self.models.GetModelStatus(asked, 60).model_version_status}


def request(
    name: str,
    inputs: dict[str, Any],
    signature: str = "",
    version: int | None = None,
    label: str = "",
    outputs: tuple[str, ...] = (),
) -> predict_pb2.PredictRequest:
    made = predict_pb2.PredictRequest(output_filter=outputs)
    made.model_spec.name = name
    made.model_spec.signature_name = signature
    if version is not None:
        made.model_spec.version.value = version
    if label:
        made.model_spec.version_label = label
    for alias, value in inputs.items():
        proto = value if isinstance(value, tf.make_tensor_proto(0).__class__) else tf.make_tensor_proto(value)
        made.inputs[alias].CopyFrom(proto)
    return made


def refusal(call: Any, *arguments: Any, **options: Any) -> tuple[str, str]:
    """Code and message with which a call is refused."""
    try:
        call(*arguments, **options)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    raise AssertionError("it was not refused")


def picture(*sides: int) -> np.ndarray:
    return np.random.default_rng(0).random(sides or (1, 4, 5, 3), np.float32)


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    started = time.perf_counter()
    while not condition():
        assert time.perf_counter() - started < seconds, "it did not come"
        time.sleep(0.02)


def get(server: Server, path: str) -> tuple[int, str, str]:
    """HTTP code, type and text from the REST port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.rest_port}{path}", timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:  # it holds the connection
            return error.code, error.headers["Content-Type"], error.read().decode()


def metrics(server: Server) -> dict[str, float]:
    """The values that Prometheus reads, by name and labels."""
    code, kind, text = get(server, "/monitoring/prometheus/metrics")
    assert code == 200 and kind.startswith("text/plain")
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name.removeprefix(":tensorflow:serving:"): float(value) for name, _, value in lines}


# Servers of versions that multiply


def serve(models: Path | None = None, **options: Any) -> Server:
    """A server, not yet started, that looks often and tries once."""
    return Server(models, **{"port": 0, "poll_seconds": SOON, "load_retries": 0, "load_retry_seconds": 0.05, **options})


def times(client: Client, name: str = "m", **spec: Any) -> float:
    """The factor of the version that answers."""
    return float(client.predict(name, {"x": np.float32([1])}, **spec)["y"][0])


def available(client: Client, name: str) -> bool:
    try:
        return AVAILABLE in client.states(name).values()
    except grpc.RpcError:
        return False


def entry(name: str, base: object, rest: str = "", platform: str = 'model_platform: "tensorflow"') -> str:
    """A model of a ModelServerConfig, as text."""
    return f'config {{ name: "{name}" base_path: "{base}" {platform} {rest} }}'


def listed(*entries: str) -> str:
    """The text of a ModelServerConfig."""
    return f"model_config_list {{ {' '.join(entries)} }}"


def reload(client: Client, *entries: str, metrics: tuple[str, ...] = ()) -> Any:
    asked = model_management_pb2.ReloadConfigRequest(metric_names=metrics)
    text_format.Parse(listed(*entries), asked.config)
    return client.models.HandleReloadConfigRequest(asked, 60)


# A server in another process


@contextlib.contextmanager
def process(*arguments: object) -> Iterator[tuple[Any, str, list[str]]]:
    """The command in a process of its own, once it listens: the process, its address, its lines so far."""
    line = [sys.executable, "-m", "keras_style", "serve", *map(str, arguments), "--port", "0"]
    running: Any = subprocess.Popen(
        line, stderr=subprocess.PIPE, text=True, env=fresh_environment(), cwd=Path(__file__).parents[1]
    )
    lines: list[str] = []
    try:
        for text in running.stderr:
            lines.append(text)
            if found := re.search(r"listening on (\S+),", text):
                break
        else:
            raise AssertionError("".join(lines))
        reader = threading.Thread(target=lambda: lines.extend(running.stderr), daemon=True)
        reader.start()
        yield running, found[1], lines
    finally:
        if running.poll() is None:
            running.kill()
        running.wait()
    reader.join(30)
