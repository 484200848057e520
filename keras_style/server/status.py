"""gRPC error statuses: what a refused request is answered with."""

import grpc

from keras_style.internal.tensorflow import tf

_LIMIT = 1024  # grpc_status_util.cc, ToGRPCStatus
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class StatusError(Exception):
    """A status other than OK.

    Attributes:
        code: a grpc.StatusCode.
        message: the text for the client.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


def invalid(message: str) -> StatusError:
    """An INVALID_ARGUMENT, the most frequent status."""
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, message)


def of(error: BaseException) -> StatusError:
    """The status for an exception; TensorFlow's errors keep their code and text."""
    if isinstance(error, StatusError):
        return error
    if isinstance(error, tf.errors.OpError):
        return StatusError(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), error.message)
    return StatusError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")


def details(message: str) -> str:
    """The message as it is sent: cut if it is long."""
    data = message.encode(errors="replace")
    if len(data) <= _LIMIT:
        return data.decode()
    return f"{data[:_LIMIT].decode(errors='ignore')}...TRUNCATED"
