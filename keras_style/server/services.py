"""The two services of TensorFlow Serving over gRPC: from bytes to an answer or a status."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from keras_style.server import status
from keras_style.server.calls import Call
from keras_style.server.examples import classify, multi_inference, regress
from keras_style.server.gate import Gate
from keras_style.server.metrics import Metrics
from keras_style.server.model_questions import get_model_metadata, get_model_status
from keras_style.server.predict import predict
from keras_style.server.served_models import Models
from keras_style.server.status import StatusError, invalid

log = logging.getLogger("keras_style.serving")

Context = Any  # grpc.ServicerContext
_FOREVER = 1e9  # gRPC tells a missing deadline as centuries


@dataclass(frozen=True)
class Services:
    """What answers the methods.

    Attributes:
        models: what is served.
        gate: how many requests run.
        metrics: what is counted.
        max_tensor_bytes: that an input may take when it is unpacked.
        as_content: answers carry `tensor_content`.
        reload: replaces the configuration by a client's; asks its second argument whether to go on waiting.
    """

    models: Models
    gate: Gate
    metrics: Metrics
    max_tensor_bytes: int
    as_content: bool
    reload: Callable[[Any, Callable[[], bool]], None]

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """What `grpc.Server.add_generic_rpc_handlers` takes."""
        inference = {
            "Predict": self._inference("Predict", predict_pb2.PredictRequest, predict),
            "Classify": self._inference("Classify", classification_pb2.ClassificationRequest, classify),
            "Regress": self._inference("Regress", regression_pb2.RegressionRequest, regress),
            "MultiInference": self._inference("MultiInference", inference_pb2.MultiInferenceRequest, multi_inference),
            "GetModelMetadata": self._question(get_model_metadata_pb2.GetModelMetadataRequest, get_model_metadata),
        }
        management = {
            "GetModelStatus": self._question(get_model_status_pb2.GetModelStatusRequest, get_model_status),
            "HandleReloadConfigRequest": _unary(model_management_pb2.ReloadConfigRequest, self._reload),
        }
        return [
            grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", inference),
            grpc.method_handlers_generic_handler("tensorflow.serving.ModelService", management),
        ]

    def _question(self, kind: Any, answer: Callable[[Any, Models], Any]) -> grpc.RpcMethodHandler:
        def handle(request: Any, context: Context) -> Any:
            return answer(request, self.models)

        return _unary(kind, handle)

    def _inference(self, api: str, kind: Any, answer: Callable[..., Any]) -> grpc.RpcMethodHandler:
        """A method that runs a model.

        It is declared as one that takes a stream of messages, which looks the same on the wire: so a request is read
        only when it has a place.
        """

        def handle(requests: Iterator[bytes], context: Context) -> bytes:
            started = time.perf_counter()
            remaining = context.time_remaining()
            deadline = None if remaining is None or remaining > _FOREVER else time.monotonic() + remaining
            try:
                with self.gate.place():
                    data = next(requests, None)
                    with self.gate.turn(deadline):
                        if not context.is_active():  # the client went away while it waited
                            return b""
                        request = _parsed(kind, data)
                        response = self._answer(api, request, answer, deadline)
                        answered: bytes = response.SerializeToString()
            except grpc.RpcError:  # gRPC has answered already: the message was too large, or the client is gone
                return b""
            except Exception as error:
                _refuse(context, error)
            if api != "MultiInference":
                self.metrics.request_latency.add(1e6 * (time.perf_counter() - started), _name(request), api, "GRPC")
            return answered

        return grpc.stream_unary_rpc_method_handler(handle)

    def _answer(self, api: str, request: Any, answer: Callable[..., Any], deadline: float | None) -> Any:
        call = Call(api, self.max_tensor_bytes, self.metrics, self.as_content, deadline)
        outcome = "OK"
        try:
            with self.models.use(_spec(request)) as (version, loaded):
                return answer(request, loaded, version, call)
        except Exception as error:
            outcome = status.of(error).code.name
            raise
        finally:
            if api != "MultiInference":
                # Names that clients make up would fill the memory with counters.
                name = _name(request)
                self.metrics.request_count.add(1, name if self.models.is_configured(name) else "", outcome)

    def _reload(self, request: Any, context: Context) -> Any:
        before = self.metrics.first_values(request.metric_names)
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is "
                "currently supported"
            )
        try:
            self.reload(request.config, context.is_active)
        except StatusError as error:
            log.error("ReloadConfig failed: %s", error)
            raise
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        for name, value in self.metrics.first_values(request.metric_names).items():
            response.metric.add(name=name, int64_value_increase=value - before[name])
        return response


def _unary(kind: Any, answer: Callable[[Any, Context], Any]) -> grpc.RpcMethodHandler:
    def handle(data: bytes, context: Context) -> bytes:
        try:
            return bytes(answer(_parsed(kind, data), context).SerializeToString())
        except Exception as error:
            _refuse(context, error)

    return grpc.unary_unary_rpc_method_handler(handle)


def _parsed(kind: Any, data: bytes | None) -> Any:
    try:
        if data is not None:
            return kind.FromString(data)
    except DecodeError:
        pass
    raise StatusError(grpc.StatusCode.INTERNAL, "Failed to parse the request")


def _refuse(context: Context, error: Exception) -> NoReturn:
    problem = status.of(error)
    if problem.code == grpc.StatusCode.INTERNAL and not isinstance(error, StatusError):
        log.error("%s", problem, exc_info=error)  # a mistake of ours
    context.abort(problem.code, status.details(problem.message))
    raise AssertionError("abort returns never")


def _spec(request: Any) -> Any:
    """The ModelSpec of a request; that of the first task of a MultiInferenceRequest, which may have none."""
    if isinstance(request, inference_pb2.MultiInferenceRequest):
        return request.tasks[0].model_spec if request.tasks else inference_pb2.InferenceTask().model_spec
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request.model_spec


def _name(request: Any) -> str:
    return str(_spec(request).name) if request.HasField("model_spec") else ""
