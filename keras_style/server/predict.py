"""Predict: predict_util.cc and `GetInputValues` of TensorFlow's cc/saved_model/util.cc."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from tensorflow_serving.apis import predict_pb2

from keras_style.internal.tensorflow import tf
from keras_style.server import tensor_values
from keras_style.server.cancellation import OnEnd
from keras_style.server.loaded_version import LoadedVersion
from keras_style.server.metrics import Metrics
from keras_style.server.status import StatusError, invalid

DEFAULT_SIGNATURE = "serving_default"
_APART = 0.1  # seconds: at a deadline gRPC ends the call, and so cancels the run, a little sooner or later than we do


@dataclass(frozen=True)
class Call:
    """Settings and circumstances of a request, beside its message.

    Attributes:
        max_tensor_bytes: bytes that an input may take once it is unpacked.
        as_content: answer with `tensor_content` instead of the field of the type.
        deadline: on the clock of `time.monotonic`; None: none.
        metrics: where the time of the graph is counted; None: nowhere, in a warm-up.
        on_end: takes a function that is called when the call ends, and says whether it still lasts; None: it is not
            cancelled.
    """

    max_tensor_bytes: int
    as_content: bool = False
    deadline: float | None = None
    metrics: Metrics | None = None
    on_end: OnEnd | None = None


def predict(request: Any, loaded: LoadedVersion, version: int | None, call: Call) -> Any:
    """Answer a PredictRequest by a PredictResponse.

    Args:
        request: the message.
        loaded: the version that answers.
        version: its number; None in a warm-up.
        call: see `Call`.

    Raises:
        StatusError: the request does not fit the signature.
        tf.errors.OpError: the graph refuses it, or the deadline comes.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = loaded.signatures.get(name)
    if signature is None:
        raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    _check_count(signature, request)
    feeds = _feeds(signature, request, call.max_tensor_bytes)
    outputs = _outputs(signature, request)
    _check_ranks(signature, feeds)
    arrays = _run(loaded, request.model_spec.name, feeds, outputs.values(), call)

    response = predict_pb2.PredictResponse()
    response.model_spec.name = request.model_spec.name
    response.model_spec.signature_name = name
    if version is not None:
        response.model_spec.version.value = version
    for alias, array in zip(outputs, arrays, strict=True):
        tensor_values.encode(array, response.outputs[alias], call.as_content)
    return response


def _check_count(signature: Any, request: Any) -> None:
    given, wanted = set(request.inputs), set(signature.inputs)
    if len(given) > len(wanted) or (len(given) < len(wanted) and not signature.defaults):
        raise invalid(
            f"input size does not match signature: {len(given)}!={len(wanted)} len({{{_joined(given)}}}) != "
            f"len({{{_joined(wanted)}}}). Sent extra: {{{_joined(given - wanted)}}}. "
            f"Missing but required: {{{_joined(wanted - given)}}}."
        )


def _feeds(signature: Any, request: Any, max_bytes: int) -> dict[str, np.ndarray]:
    """Arrays by tensor name in the graph; the signature's defaults stand in for inputs that are not sent."""
    feeds = {}
    for alias in sorted(signature.inputs):
        given = request.inputs if alias in request.inputs else signature.defaults
        feed = signature.inputs[alias].name
        if alias not in given:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {feed}) not found in request and no default value "
                f"provided. Inputs expected to be in the request {{{_joined(request.inputs)}}}, or default input alias "
                f"set: {_joined(signature.defaults)}"
            )
        try:
            feeds[feed] = tensor_values.decode(given[alias], max_bytes)
        except ValueError:
            raise invalid(f"tensor parsing error: {alias}") from None
    used = set(request.inputs) & set(signature.inputs)
    if len(used) != len(request.inputs):
        raise invalid(
            f"Inputs contains invalid name. Used request inputs: {_joined(used)}, request input: "
            f"{_joined(request.inputs)}"
        )
    return feeds


def _outputs(signature: Any, request: Any) -> dict[str, str]:
    """Tensor names in the graph by alias: those that the filter names, or all."""
    outputs: dict[str, str] = {}
    for alias in request.output_filter:
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                f"{{{_joined(signature.outputs)}}}."
            )
        if alias in outputs:
            raise invalid(f"duplicate output tensor alias: {alias}")
        outputs[alias] = signature.outputs[alias].name
    return outputs or {alias: info.name for alias, info in signature.outputs.items()}


def _check_ranks(signature: Any, feeds: Mapping[str, np.ndarray]) -> None:
    """Refuse a wrong number of dimensions.

    oneDNN's convolution aborts the process on an image without a batch dimension. TensorFlow Serving leaves the check
    to the operation, whose status has the same code. Sizes are left to the operation.
    """
    for alias in sorted(signature.inputs):
        info = signature.inputs[alias]
        array = feeds[info.name]
        if not info.tensor_shape.unknown_rank and array.ndim != len(info.tensor_shape.dim):
            shape = ",".join(map(str, array.shape))
            raise invalid(f"{alias} must be {len(info.tensor_shape.dim)}-dimensional: [{shape}]")


def _run(
    loaded: LoadedVersion, name: str, feeds: Mapping[str, np.ndarray], fetches: Iterable[str], call: Call
) -> list[np.ndarray]:
    """Run the graph until the deadline, or until the call ends, and count the time."""
    # In RunOptions 0 means forever.
    timeout_ms = 0 if call.deadline is None else max(1, int(1000 * (call.deadline - time.monotonic())))
    started = time.perf_counter()
    try:
        arrays = loaded.run(feeds, list(fetches), timeout_ms, call.on_end)
    except tf.errors.CancelledError:
        if call.deadline is not None and time.monotonic() > call.deadline - _APART:
            raise StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, "The deadline came while the graph ran") from None
        raise
    if call.metrics is not None:
        call.metrics.runtime_latency.add(1e6 * (time.perf_counter() - started), name, "Predict", "TF1")
    return arrays


def _joined(names: Iterable[str]) -> str:
    return ",".join(sorted(names))
