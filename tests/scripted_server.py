"""A server in this process with the stubs of tensorflow_serving.apis: it inverts pictures, or does as it is told."""

import io
import threading
import time
from collections import deque
from concurrent import futures

import grpc
import numpy as np
from PIL import Image

from keras_style.internal.tensorflow import tf

# After keras_style, which prepares TensorFlow's environment.
from tensorflow.core.protobuf import meta_graph_pb2  # isort: skip
from tensorflow_serving.apis import get_model_metadata_pb2 as metadata_pb2  # isort: skip
from tensorflow_serving.apis import get_model_status_pb2 as status_pb2  # isort: skip
from tensorflow_serving.apis import (  # isort: skip
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)


class ScriptedServer(
    prediction_service_pb2_grpc.PredictionServiceServicer, model_service_pb2_grpc.ModelServiceServicer
):
    """Serves models "invert" and "mix", which takes a style; versions 3 and 7, which has the label "canary".

    Attributes:
        port: of 127.0.0.1.
        script: what comes before the usual answers: `(code, text)`, or a function of the request and its context.
        requests: every request, in order.
        at_once: the largest number of Predict requests that were under way at one time.
        typed: whether numbers are sent one by one, as TensorFlow Serving does unless told otherwise, or as bytes.
    """

    def __init__(self, credentials=None, port=0):
        self.script, self.requests, self.typed, self.at_once = deque(), [], True, 0
        self._under_way, self._lock = 0, threading.Lock()
        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.server = grpc.server(futures.ThreadPoolExecutor(16), options=unlimited)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(self, self.server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(self, self.server)
        address = f"127.0.0.1:{port}"
        self.port = (
            self.server.add_secure_port(address, credentials) if credentials else self.server.add_insecure_port(address)
        )
        self.server.start()

    @property
    def address(self):
        return f"localhost:{self.port}"

    def stop(self):
        self.server.stop(0).wait()

    def Predict(self, request, context):
        with self._lock:
            self._under_way += 1
            self.at_once = max(self.at_once, self._under_way)
        try:
            self._begin(request, context)
            return self._invert(request, context)
        finally:
            with self._lock:
                self._under_way -= 1

    def GetModelStatus(self, request, context):
        self._begin(request, context)
        response = status_pb2.GetModelStatusResponse()
        for version, state, error in ((7, "AVAILABLE", ""), (5, "END", "no such op"), (3, "AVAILABLE", "")):
            if request.model_spec.version.value in (0, version):
                new = response.model_version_status.add(version=version, state=state)
                new.status.error_code = 13 if error else 0
                new.status.error_message = error
        return response

    def GetModelMetadata(self, request, context):
        self._begin(request, context)
        if list(request.metadata_field) != ["signature_def"]:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"Metadata field {request.metadata_field}")
        signatures = metadata_pb2.SignatureDefMap()
        signatures.signature_def["__saved_model_init_op"].method_name = ""
        for name, ending, info in (
            ("serving_default", "", _info(tf.float32, None)),
            ("serving_uint8", "", _info(tf.uint8, [None, None, None, 3])),
            ("serving_bytes", "_bytes", _info(tf.string, [None])),
        ):
            new = signatures.signature_def[name]
            new.method_name = "tensorflow/serving/predict"
            new.outputs[f"image{ending}"].CopyFrom(info)
            keys = ("content", "style") if request.model_spec.name == "mix" else ("image",)
            for key in keys:
                new.inputs[f"{key}{ending}"].CopyFrom(info)
            if len(keys) > 1:
                new.inputs["steps"].CopyFrom(_info(tf.int32, []))
                new.defaults["steps"].CopyFrom(tf.make_tensor_proto(100, tf.int32))
        response = metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = self._version(request)
        response.metadata["signature_def"].Pack(signatures)
        return response

    def _begin(self, request, context):
        self.requests.append(request)
        if self.script:
            step = self.script.popleft()
            if callable(step):
                step(request, context)
            else:
                context.abort(*step)
        if request.model_spec.name not in ("invert", "mix"):
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({request.model_spec.name})"
            )
        label = request.model_spec.version_label
        if label not in ("", "canary"):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}")

    def _version(self, request):
        return request.model_spec.version.value or 7

    def _invert(self, request, context):
        values = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        response = predict_pb2.PredictResponse(model_spec=request.model_spec)
        response.model_spec.version.value = self._version(request)  # which takes the label away: they are one field
        if request.model_spec.signature_name == "serving_bytes":
            value = values.get("image_bytes", values.get("content_bytes"))
            try:
                pixels = np.asarray(Image.open(io.BytesIO(value[0])).convert("RGB"))
            except OSError:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Unknown image file format.")
            response.outputs["image_bytes"].CopyFrom(tf.make_tensor_proto([png(255 - pixels)]))
            return response
        value = values.get("image", values.get("content"))
        inverted = (255 if value.dtype == np.uint8 else np.float32(1)) - value
        tensor = response.outputs["image"]
        tensor.CopyFrom(tf.make_tensor_proto(inverted))
        if self.typed:
            tensor.ClearField("tensor_content")
            (tensor.int_val if value.dtype == np.uint8 else tensor.float_val).extend(inverted.ravel().tolist())
        return response


def later(seconds):
    """A step of a script: the usual answer, late."""
    return lambda request, context: time.sleep(seconds)


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _info(dtype, shape):
    return meta_graph_pb2.TensorInfo(
        name="x:0", dtype=dtype.as_datatype_enum, tensor_shape=tf.TensorShape(shape).as_proto()
    )
