"""A model on a server: the requests, answers, errors and connection options that both clients share."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np

from keras_style import checks
from keras_style.errors import (
    AccessError,
    DeadlineError,
    ExhaustedError,
    InputError,
    RefusedError,
    ServerUnavailableError,
    ServingError,
    UnknownModelError,
)
from keras_style.serving import messages, request_pictures, tensor_protos
from keras_style.serving.answer import StyledPicture
from keras_style.serving.request_pictures import Picture
from keras_style.serving.tls import TLS

# {name: (path, request, response)}
METHODS = {
    "predict": ("/tensorflow.serving.PredictionService/Predict", "PredictRequest", "PredictResponse"),
    "metadata": (
        "/tensorflow.serving.PredictionService/GetModelMetadata",
        "GetModelMetadataRequest",
        "GetModelMetadataResponse",
    ),
    "status": ("/tensorflow.serving.ModelService/GetModelStatus", "GetModelStatusRequest", "GetModelStatusResponse"),
}
DEADLINE = 120.0
RETRIES = 4
MAX_MESSAGE_BYTES = 256 * 2**20  # float32 RGB of 22 megapixels; gRPC's own limit of 4 MiB is reached at 591 x 591
# A connection that is dead without a word is given up when a request was not acknowledged for 20 s (gRPC makes a
# TCP_USER_TIMEOUT of the second number), or a ping was not answered. Pings are rare, and only during calls: a server of
# gRPC as it comes, such as TensorFlow Serving, ends a connection at the third that follows another within 5 minutes.
KEEPALIVE_MS = 330_000, 20_000
NOT_READY = (ServerUnavailableError, DeadlineError, UnknownModelError, RefusedError)  # refused: an unknown label
READY_WITHIN = 2.0  # seconds for a server to say that it is ready: a look-up in a table
_ERRORS: dict[grpc.StatusCode, type[ServingError]] = {
    grpc.StatusCode.UNAVAILABLE: ServerUnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
    grpc.StatusCode.INVALID_ARGUMENT: RefusedError,
    grpc.StatusCode.FAILED_PRECONDITION: RefusedError,
    grpc.StatusCode.OUT_OF_RANGE: RefusedError,
    grpc.StatusCode.NOT_FOUND: UnknownModelError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ExhaustedError,
    grpc.StatusCode.UNAUTHENTICATED: AccessError,
    grpc.StatusCode.PERMISSION_DENIED: AccessError,
}
_LISTED = 8  # outputs and sides of a shape that an error tells
_connecting = threading.Lock()
_SIGNATURES = {
    request_pictures.BYTES: "serving_bytes",
    request_pictures.UINT8: "serving_uint8",
    request_pictures.FLOAT: "serving_default",
}


class StyleName(str):
    """The name of a painter's style, where a path would be a painting."""


class Endpoint:
    """The part that the two clients share. The arguments are those of `StyleClient`."""

    def __init__(
        self,
        server: str,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        deadline: float | None = DEADLINE,
        retries: int = RETRIES,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        tls: TLS | None = None,
    ) -> None:
        self.server = _address(server)
        self.model = _name("model", model)
        if version is not None and label is not None:
            raise InputError(f"version {version} and label {label!r}; expected one of them, or neither")
        self.version = None if version is None else checks.whole("version", version, 0, 2**63 - 1)
        self.label = None if label is None else _name("label", label)
        self.signature = None if signature is None else _name("signature", signature)
        self.deadline = None if deadline is None else checks.number("deadline", deadline, 0.001)
        self.retries = checks.whole("retries", retries, 0, 4)
        self.max_message_bytes = checks.whole("max_message_bytes", max_message_bytes, 1024, 2**31 - 1)
        if tls is not None and not isinstance(tls, TLS):
            raise InputError(f"tls is {tls!r}; expected keras_style.serving.TLS(...) or None")
        self.tls = tls
        self.takes_names: bool | None = None  # whether the model's styles have names; None: not asked yet

        self._channel: Any = None
        self._place: Any = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.server!r}, {self.model!r})"

    # The connection

    def method(self, name: str, grpc_or_aio: Any, place: Any) -> Any:
        """A callable that sends a request by one of `METHODS`. All share one channel, which connects on first use.

        Args:
            name: a key of `METHODS`.
            grpc_or_aio: the module, `grpc` or `grpc.aio`.
            place: the process, or process and event loop, to which the channel is bound.

        Raises:
            MissingFileError, InputError: a file of `tls` is not there, or is no PEM file.
            ServingError: the place has changed.
        """
        channel = self._channel
        if channel is None:
            with _connecting:
                if self._channel is None:
                    self._place, self._channel = place, self._opened(grpc_or_aio)
                channel = self._channel
        if self._place != place:
            raise self.error("this client is connected in another process or event loop; expected one client for each")
        path, _, response = METHODS[name]
        return channel.unary_unary(
            path,
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=messages.message(response).FromString,
        )

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn gRPC's errors into this package's: one line with server, model, code and the server's text."""
        try:
            yield
        except grpc.RpcError as error:
            code, details = error.code(), " ".join((error.details() or "no text").split())
            kind, text = _ERRORS.get(code, ServingError), f"{code.name}: {details}"
            if code == grpc.StatusCode.UNAVAILABLE and ("HTTP/2" in details or "http1.x" in details):
                text += "; what listens there speaks no gRPC, or TLS: REST has port 8501 by default, gRPC 8500"
            raise kind(
                f"{self.server}, model {self.model}: {text}", self.server, self.model, code.name, details
            ) from error
        except grpc.FutureCancelledError as error:
            raise self.error("CANCELLED: the client was closed") from error

    def _opened(self, grpc_or_aio: Any) -> Any:
        if self.tls is None:
            return grpc_or_aio.insecure_channel(self.server, options=self._options())
        return grpc_or_aio.secure_channel(self.server, self.tls.credentials(), options=self._options())

    def _options(self) -> list[tuple[str, Any]]:
        method: dict[str, Any] = {"name": [{}]}  # every method
        if self.retries:
            method["retryPolicy"] = {
                "maxAttempts": self.retries + 1,  # gRPC itself allows at most 5, and adds the jitter
                "initialBackoff": "0.5s",
                "maxBackoff": "4s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            }
        service = {"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": [method]}
        options: list[tuple[str, Any]] = [
            ("grpc.service_config", json.dumps(service)),
            ("grpc.max_send_message_length", self.max_message_bytes),
            ("grpc.max_receive_message_length", self.max_message_bytes),
            # A request that does not fit into this buffer is not retried; the default, 256 KiB, is below a photograph.
            ("grpc.per_rpc_retry_buffer_size", self.max_message_bytes),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS[0]),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_MS[1]),
            ("grpc.http2.ping_timeout_ms", KEEPALIVE_MS[1]),  # of the pings that gRPC sends to measure the line
        ]
        if _is_loopback(self.server):
            options.append(("grpc.enable_http_proxy", 0))  # $http_proxy is for what is not on this machine
        if self.tls is not None and self.tls.server_name is not None:
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        return options

    # Requests

    def predict_request(
        self,
        content: Picture,
        style: Picture | None,
        steps: int | None,
        name: str = "",
        *,
        strength: float | None = None,
    ) -> Any:
        """PredictRequest for one picture, or for a content and a style.

        Args:
            content: the picture.
            style: the painting, for an exported Stylizer; a `StyleName` for a painter.
            steps: steps of the optimization; by default the number that the model was exported with.
            name: the picture's name in errors; "image", or "content" if there is a style, by default.
            strength: of a painter.

        Raises:
            MissingFileError, InputError: a picture cannot be read, or steps without a style.
        """
        if isinstance(style, StyleName):
            return self._painter_request(content, style, steps, name, strength)
        if strength is not None:
            raise InputError(f"strength is {checks.shown(strength)}; expected it with the name of a painter's style")
        _check_steps(steps, style)
        given = {"image": (content, name or "image")}
        if style is not None:
            given = {"content": (content, name or "content"), "style": (style, "style")}
        form = self._form(given)
        request = messages.message("PredictRequest")()
        self._name_model(request)
        request.model_spec.signature_name = self.signature or _SIGNATURES[form]
        for key, (picture, called) in given.items():
            key = f"{key}_bytes" if form == request_pictures.BYTES else key
            tensor_protos.fill(request.inputs[key], request_pictures.payload(picture, form, called))
        if steps is not None:
            tensor_protos.fill(request.inputs["steps"], np.asarray(steps, np.int32))
        return request

    def _painter_request(
        self, content: Picture, style: str, steps: int | None, name: str, strength: float | None
    ) -> Any:
        """A picture as an encoded file, since the other signatures take numbers instead of names."""
        if steps is not None:
            raise InputError(f"steps is {steps} with the name of a style; expected none, as a painter takes no steps")
        if self.signature not in (None, _SIGNATURES[request_pictures.BYTES]):
            raise InputError(
                f"signature is {self.signature} with the name of a style; expected "
                f"{_SIGNATURES[request_pictures.BYTES]}, or none"
            )
        request = messages.message("PredictRequest")()
        self._name_model(request)
        request.model_spec.signature_name = _SIGNATURES[request_pictures.BYTES]
        payload = request_pictures.payload(content, request_pictures.BYTES, name or "image")
        tensor_protos.fill(request.inputs["image_bytes"], payload)
        tensor_protos.fill(request.inputs["style"], str(style).encode())
        if strength is not None:
            number = np.asarray(checks.number("strength", strength, 0, 1), np.float32)
            tensor_protos.fill(request.inputs["strength"], number)
        return request

    def style_of_many(
        self, contents: Any, style: Picture | None, steps: int | None, concurrency: int, return_exceptions: bool
    ) -> Picture | None:
        """The style that many pictures share, read once.

        Args: those of `StyleClient.stylize_many`.

        Raises:
            MissingFileError, InputError: one of them is wrong. The pictures are checked one by one, later.
        """
        checks.whole("concurrency", concurrency, 1, 10_000)
        checks.truth("return_exceptions", return_exceptions)
        if request_pictures.is_one(contents):
            raise InputError(f"contents is one picture, a {type(contents).__name__}; expected several, or stylize")
        _check_steps(steps, style)
        if style is None or isinstance(style, StyleName):
            return style
        form = request_pictures.form(style, "style")
        checked = request_pictures.payload(style, form, "style")
        return checked if isinstance(checked, bytes) else style

    def status_request(self) -> Any:
        """GetModelStatusRequest for one version, or for all."""
        request = messages.message("GetModelStatusRequest")()
        request.model_spec.name = self.model
        if self.version is not None:
            request.model_spec.version.value = self.version
        return request

    def metadata_request(self) -> Any:
        """GetModelMetadataRequest for the version that would answer."""
        request = messages.message("GetModelMetadataRequest")(metadata_field=["signature_def"])
        self._name_model(request)
        return request

    def _name_model(self, request: Any) -> None:
        request.model_spec.name = self.model
        if self.version is not None:
            request.model_spec.version.value = self.version
        if self.label is not None:
            request.model_spec.version_label = self.label

    def _form(self, given: dict[str, tuple[Picture, str]]) -> str:
        needed = max((request_pictures.form(*each) for each in given.values()), key=request_pictures.FORMS.index)
        if self.signature is None:
            return needed
        ending = self.signature.rpartition("_")[2]
        return ending if ending in (request_pictures.BYTES, request_pictures.UINT8) else request_pictures.FLOAT

    # Answers

    def styled(self, response: Any) -> StyledPicture:
        """The picture in a PredictResponse.

        Raises:
            ServingError: it does not hold exactly one picture.
        """
        common = (response.model_spec.version.value, response.model_spec.signature_name)
        outputs = response.outputs
        with contextlib.suppress(ValueError):  # not one of a batch, or not a tensor
            if "image_bytes" in outputs:
                (data,) = tensor_protos.from_proto(outputs["image_bytes"], self.max_message_bytes)
                return StyledPicture(bytes(data), None, *common)
            if "image" in outputs:
                (pixels,) = tensor_protos.from_proto(outputs["image"], self.max_message_bytes)
                if np.ndim(pixels) == 3:
                    return StyledPicture(None, np.asarray(pixels), *common)
        named = (f"{key} {_described(outputs[key])}" for key in sorted(outputs)[:_LISTED])
        came = ", ".join([*named, *["..."] * (len(outputs) > _LISTED)]) or "nothing"
        raise self.error(f"answered {came}; expected one picture as image or image_bytes")

    def error(self, text: str) -> ServingError:
        """An error that has no gRPC status code."""
        return ServingError(f"{self.server}, model {self.model}: {text}", self.server, self.model)

    def not_ready(self, seconds: float, error: ServingError) -> DeadlineError:
        """The error for a wait that was in vain."""
        return DeadlineError(
            f"not ready after {seconds:g} s: {error}", self.server, self.model, error.code, error.details
        )


def _check_steps(steps: int | None, style: Picture | None) -> None:
    if steps is not None:
        checks.whole("steps", steps, 1, 10**6)
        if style is None:
            raise InputError(f"steps is {steps} without a style; expected both, for an exported optimization")


def _described(tensor: Any) -> str:
    sides = [str(dim.size) for dim in tensor.tensor_shape.dim[: _LISTED + 1]]
    shape = ", ".join([*sides[:_LISTED], *["..."] * (len(sides) > _LISTED)])
    return f"(type {tensor.dtype}, shape [{shape}])"


def _address(server: str) -> str:
    """The address, if it is HOST:PORT, [IPv6]:PORT, or one of gRPC's own with a scheme for what it is."""
    found = isinstance(server, str) and re.fullmatch(
        r"(?:dns:///)?(?:\[[0-9A-Fa-f:.%\w]+\]|[^\s:/@\[\]]+):([0-9]{1,5})|unix:\S+", server, re.ASCII
    )
    if not found or int(found[1] or 1) not in range(1, 65536):
        raise InputError(f"server is {server!r}; expected HOST:PORT of gRPC, such as localhost:8500")
    return server


def _is_loopback(server: str) -> bool:
    host = server.removeprefix("dns:///").rpartition(":")[0].strip("[]").lower()
    return host == "localhost" or host.endswith(".localhost") or host == "::1" or host.startswith("127.")


def _name(kind: str, value: str) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"{kind} is {value!r}; expected its name")
    return value
