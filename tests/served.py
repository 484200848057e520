"""Small SavedModels for servers to serve, and requests to them."""

import shutil
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_style.internal.tensorflow import tf

EXAMPLE = {"x": tf.io.FixedLenFeature([], tf.float32)}


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

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="steps")])
    def slow(self, steps):
        """Some 0.1 ms a step."""
        start = tf.eye(64)
        _, last = tf.while_loop(lambda i, _: i < steps, lambda i, m: (i + 1, m @ start), (0, start))
        return {"last": last[0, 0]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def scored(self, inputs):
        x = tf.io.parse_example(inputs, EXAMPLE)["x"]
        scores = tf.stack([x, 1 - x], 1)
        return {"classes": tf.tile([["big", "small"]], [tf.shape(x)[0], 1]), "scores": scores}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def half_plus_two(self, inputs):
        return {"outputs": tf.io.parse_example(inputs, EXAMPLE)["x"] / 2 + 2}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def outputs_of_other_names(self, inputs):
        return {"lengths": tf.strings.length(inputs)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="data")])
    def input_of_another_name(self, data):
        return {"outputs": tf.strings.length(data)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def badly_scored(self, inputs):
        return {"scores": tf.strings.length(inputs)[:, None], "classes": inputs[:, None]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def sums(self, inputs):
        return {"outputs": tf.reduce_sum(tf.io.parse_example(inputs, EXAMPLE)["x"])}


def save(path: Path, factor: float = 1.0) -> Path:
    """A version with all signatures of `Model`; `stylized` has a default of 3 steps."""
    model = Model(factor)
    names = [
        "encoded",
        "stylized",
        "slow",
        "scored",
        "half_plus_two",
        "outputs_of_other_names",
        "input_of_another_name",
        "badly_scored",
        "sums",
    ]
    signatures = {name: getattr(model, name) for name in names}
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
