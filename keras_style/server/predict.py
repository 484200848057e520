"""Predict: predict_util.cc and `GetInputValues` of TensorFlow's cc/saved_model/util.cc."""

from collections.abc import Iterable, Mapping
from typing import Any

import grpc
import numpy as np
from tensorflow_serving.apis import predict_pb2

from keras_style.server import tensor_values
from keras_style.server.calls import Call
from keras_style.server.session import Loaded
from keras_style.server.status import StatusError, invalid

DEFAULT_SIGNATURE = "serving_default"


def predict(request: Any, loaded: Loaded, version: int | None, call: Call) -> Any:
    """The PredictResponse to a PredictRequest; `version` is None in a warm-up."""
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = loaded.signatures.get(name)
    if signature is None:
        raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    _check_count(signature, request)
    feeds = _feeds(signature, request, call.max_tensor_bytes)
    outputs = _outputs(signature, request)
    _check_ranks(signature, feeds)
    arrays = call.run(loaded, request.model_spec.name, feeds, outputs.values())

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
    """Arrays by the names of tensors in the graph; what the request leaves out comes from the signature's defaults."""
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
    """Names of tensors in the graph by alias: those of the filter, or all."""
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
    """Refuse what would end the process: a convolution of oneDNN aborts on an image without its batch dimension.

    TensorFlow Serving leaves it to the operation, whose status has the same code. Sizes are left to it here, too.
    """
    for alias in sorted(signature.inputs):
        info = signature.inputs[alias]
        array = feeds[info.name]
        if not info.tensor_shape.unknown_rank and array.ndim != len(info.tensor_shape.dim):
            shape = ",".join(map(str, array.shape))
            raise invalid(f"{alias} must be {len(info.tensor_shape.dim)}-dimensional: [{shape}]")


def _joined(names: Iterable[str]) -> str:
    return ",".join(sorted(names))
