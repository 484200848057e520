"""From gRPC's status codes to this package's errors."""

import grpc

from keras_style import errors

_Code = grpc.StatusCode
_CLASSES: dict[grpc.StatusCode, type[errors.ServingError]] = {
    _Code.UNAVAILABLE: errors.ServerUnavailableError,
    _Code.DEADLINE_EXCEEDED: errors.DeadlineError,
    _Code.INVALID_ARGUMENT: errors.RefusedError,
    _Code.FAILED_PRECONDITION: errors.RefusedError,
    _Code.OUT_OF_RANGE: errors.RefusedError,
    _Code.NOT_FOUND: errors.UnknownModelError,
    _Code.RESOURCE_EXHAUSTED: errors.ExhaustedError,
    _Code.UNAUTHENTICATED: errors.AccessError,
    _Code.PERMISSION_DENIED: errors.AccessError,
}


def explained(error: grpc.RpcError, server: str, model: str) -> errors.ServingError:
    """The error to raise for a call that failed: in one line the server, the model, the code and the server's text."""
    code, details = error.code(), " ".join((error.details() or "no text").split())
    kind = _CLASSES.get(code, errors.ServingError)
    return kind(f"{server}, model {model}: {code.name}: {details}", server, model, code.name, details)
