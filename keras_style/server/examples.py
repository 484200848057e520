"""Classify, Regress and MultiInference: classifier.cc, regressor.cc, multi_inference.cc, util.cc.

A picture's signatures never fit them; what counts is that the refusal is the one that clients know.
"""

from typing import Any

import grpc
import numpy as np
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from keras_style.internal.tensorflow import tf
from keras_style.server.calls import Call
from keras_style.server.predict import DEFAULT_SIGNATURE
from keras_style.server.session import Loaded
from keras_style.server.status import StatusError, invalid

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"

# Tensor names in the graph by their aliases in the signature, in the order in which they are fetched.
Fetches = dict[str, str]


def classify(request: Any, loaded: Loaded, version: int | None, call: Call) -> Any:
    """The ClassificationResponse to a ClassificationRequest."""
    signature = _signature(request.model_spec, loaded, "No signature was found with the name: ")
    feed, fetches = _classification(signature)
    count, arrays = _run(request.input, {feed}, fetches, loaded, call, request.model_spec.name)
    response = classification_pb2.ClassificationResponse()
    _identify(response.model_spec, request.model_spec, version)
    _fill_classification(response.result, arrays, count)
    return response


def regress(request: Any, loaded: Loaded, version: int | None, call: Call) -> Any:
    """The RegressionResponse to a RegressionRequest."""
    signature = _signature(request.model_spec, loaded, "No signature was found with the name: ")
    feed, fetches = _regression(signature)
    count, arrays = _run(request.input, {feed}, fetches, loaded, call, request.model_spec.name)
    response = regression_pb2.RegressionResponse()
    _identify(response.model_spec, request.model_spec, version)
    _fill_regression(response.result, arrays, count)
    return response


def multi_inference(request: Any, loaded: Loaded, version: int | None, call: Call) -> Any:
    """The MultiInferenceResponse to a MultiInferenceRequest: several signatures of one model, one run."""
    feeds: set[str] = set()
    fetches: list[Fetches] = []
    seen: set[str] = set()
    name = ""
    for task in request.tasks:
        if not task.model_spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        if name and task.model_spec.name != name:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        name = task.model_spec.name
        signature_name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if signature_name in seen:
            raise invalid(f"Duplicate evaluation of signature: {signature_name}")
        seen.add(signature_name)
        signature = _signature(task.model_spec, loaded, "Requested signature not found in model graph: ")
        if task.method_name not in (CLASSIFY, REGRESS):
            message = f"Unsupported signature method_name: {task.method_name}"
            raise StatusError(grpc.StatusCode.UNIMPLEMENTED, message)
        feed, wanted = (_classification if task.method_name == CLASSIFY else _regression)(signature)
        feeds.add(feed)
        fetches.append(wanted)

    tensors = {tensor: tensor for wanted in fetches for tensor in wanted.values()}
    count, arrays = _run(request.input, feeds, tensors, loaded, call, name)
    if call.metrics is not None:
        call.metrics.example_counts.add(count, name)
        call.metrics.example_total.add(count, name)
    response = inference_pb2.MultiInferenceResponse()
    for task, wanted in zip(request.tasks, fetches, strict=True):
        result = response.results.add()
        found = {alias: arrays[tensor] for alias, tensor in wanted.items()}
        if task.method_name == CLASSIFY:
            _fill_classification(result.classification_result, found, count)
        else:
            _fill_regression(result.regression_result, found, count)
        _identify(result.model_spec, task.model_spec, version)
    return response


def _signature(model_spec: Any, loaded: Loaded, complaint: str) -> Any:
    name = model_spec.signature_name or DEFAULT_SIGNATURE
    if name not in loaded.signatures:
        raise invalid(f"{complaint}{name}")
    return loaded.signatures[name]


def _identify(target: Any, asked: Any, version: int | None) -> None:
    target.name = asked.name
    target.signature_name = asked.signature_name or DEFAULT_SIGNATURE
    if version is not None:
        target.version.value = version


# Before the run


def _classification(signature: Any) -> tuple[str, Fetches]:
    """Tensor to feed, tensors to fetch."""
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if "inputs" not in signature.inputs:
        raise invalid(f"No classification inputs found in SignatureDef: {signature}")
    fetches = {alias: signature.outputs[alias].name for alias in ("classes", "scores") if alias in signature.outputs}
    if not fetches:
        raise invalid(
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Signature was: {signature}"
        )
    return signature.inputs["inputs"].name, fetches


def _regression(signature: Any) -> tuple[str, Fetches]:
    """Tensor to feed, tensor to fetch."""
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if "inputs" not in signature.inputs:
        raise invalid(f"No regression inputs found in SignatureDef: {signature}")
    if "outputs" not in signature.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {signature}")
    return signature.inputs["inputs"].name, {"outputs": signature.outputs["outputs"].name}


def _run(
    given: Any, feeds: set[str], fetches: Fetches, loaded: Loaded, call: Call, name: str
) -> tuple[int, dict[str, np.ndarray]]:
    """Number of examples, and arrays by the aliases of `fetches`."""
    examples = _serialized(given)
    arrays = call.run(loaded, name, dict.fromkeys(feeds, np.array(examples, object)), fetches.values())
    return len(examples), dict(zip(fetches, arrays, strict=True))


def _serialized(given: Any) -> list[bytes]:
    kind = given.WhichOneof("kind")
    found = getattr(given, kind).examples if kind else []
    if not found:
        raise invalid("Input is empty.")
    # Messages that stand one behind the other are read as one: so the context comes to each example.
    context = given.example_list_with_context.context.SerializeToString() if kind != "example_list" else b""
    return [context + example.SerializeToString() for example in found]


# After the run


def _fill_classification(result: Any, arrays: dict[str, np.ndarray], count: int) -> None:
    for name, dtype, shown in (("classes", np.object_, "DT_STRING"), ("scores", np.float32, "DT_FLOAT")):
        if name not in arrays:
            continue
        array = arrays[name]
        if array.ndim != 2:
            raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}")
        if array.dtype != dtype:
            raise invalid(f"Expected {name} Tensor of {shown}. Got: {_type(array)}")
        if len(array) != count:
            raise invalid(f"Expected {name} output batch size of {count}. Got: {len(array)}")
    classes, scores = arrays.get("classes"), arrays.get("scores")
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    for row in range(count):
        entry = result.classifications.add()
        for column in range(next(iter(arrays.values())).shape[1]):
            label = entry.classes.add()
            if classes is not None:
                label.label = classes[row, column]
            if scores is not None:
                label.score = scores[row, column]


def _fill_regression(result: Any, arrays: dict[str, np.ndarray], count: int) -> None:
    array = arrays["outputs"]
    if not (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)):
        raise invalid(
            f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {_shape(array)}"
        )
    if len(array) != count:
        raise invalid(f"Input batch size did not match output batch size: {count} vs. {len(array)}")
    if array.dtype != np.float32:
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {_type(array)}")
    for value in array.ravel().tolist():
        result.regressions.add(value=value)


def _shape(array: np.ndarray) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _type(array: np.ndarray) -> str:
    return types_pb2.DataType.Name(tf.dtypes.as_dtype(array.dtype).as_datatype_enum)
