"""The two gRPC services of TensorFlow Serving: from bytes to an answer or a status."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    predict_pb2,
)

from keras_style.server import status
from keras_style.server.call_limits import CallLimits
from keras_style.server.gate import Gate
from keras_style.server.metrics import Metrics
from keras_style.server.model_info import get_model_metadata, get_model_status
from keras_style.server.predict import Call, predict
from keras_style.server.served_models import Models, model_spec
from keras_style.server.status import StatusError, invalid

log = logging.getLogger("keras_style.serving")

Context = Any  # grpc.ServicerContext


@dataclass(frozen=True)
class Services:
    """The methods and what they need. Every other method is answered by gRPC itself: UNIMPLEMENTED.

    Attributes:
        models: the models that are served.
        gate: bounds the requests that run and wait.
        limits: bounds the time of each.
        metrics: the counters.
        max_tensor_bytes: bytes that an input may take once it is unpacked.
        as_content: answer with `tensor_content`.
        reload: replaces the configuration by a client's; calls its second argument to ask whether to go on waiting.
    """

    models: Models
    gate: Gate
    limits: CallLimits
    metrics: Metrics
    max_tensor_bytes: int
    as_content: bool
    reload: Callable[[Any, Callable[[], bool]], None]

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """The services, for `grpc.Server.add_generic_rpc_handlers`."""
        prediction = {
            # Declared as a method that takes a stream of messages, which looks the same on the wire: so a request is
            # read only when it has a place.
            "Predict": grpc.stream_unary_rpc_method_handler(self._predict),
            "GetModelMetadata": self._info(get_model_metadata_pb2.GetModelMetadataRequest, get_model_metadata),
        }
        model = {
            "GetModelStatus": self._info(get_model_status_pb2.GetModelStatusRequest, get_model_status),
            "HandleReloadConfigRequest": _unary(model_management_pb2.ReloadConfigRequest, self._reload),
        }
        return [
            grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", prediction),
            grpc.method_handlers_generic_handler("tensorflow.serving.ModelService", model),
        ]

    def _info(self, kind: Any, answer: Callable[[Any, Models], Any]) -> grpc.RpcMethodHandler:
        return _unary(kind, lambda request, _: answer(request, self.models))

    def _predict(self, requests: Iterator[bytes], context: Context) -> bytes:
        started = time.perf_counter()
        deadline = self.limits.deadline(context)
        try:
            with self.gate.place():
                data = self.limits.read(requests, context)
                context.add_callback(self.gate.look_again)
                with self.gate.turn(deadline, context.is_active):
                    request = _parsed(predict_pb2.PredictRequest, data)
                    call = Call(self.max_tensor_bytes, self.as_content, deadline, self.metrics, context.add_callback)
                    response: bytes = self._answer(request, call).SerializeToString()
        except grpc.RpcError:  # gRPC has answered already: the message was too large, or the client is gone
            return b""
        except Exception as error:
            _refuse(context, error)
        microseconds = 1e6 * (time.perf_counter() - started)
        self.metrics.request_latency.add(microseconds, request.model_spec.name, "Predict", "GRPC")
        return response

    def _answer(self, request: Any, call: Call) -> Any:
        outcome = "OK"
        try:
            with self.models.use(model_spec(request)) as (version, loaded):
                return predict(request, loaded, version, call)
        except Exception as error:
            outcome = status.of(error).code.name
            raise
        finally:
            # Names that clients make up would fill the memory with counters.
            name = request.model_spec.name
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
    raise AssertionError("abort always raises")
