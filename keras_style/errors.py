"""The exceptions that keras_style raises on purpose: each message says what came and what was expected."""


class StyleError(Exception):
    """Base of every error that keras_style raises for its user; the command line prints it as one line."""


class InputError(StyleError, ValueError):
    """An argument or a file is not what was expected."""


class MissingFileError(InputError, FileNotFoundError):
    """A file or directory that was named does not exist."""

    def __str__(self) -> str:  # OSError would otherwise format errno and file name
        return str(self.args[0]) if self.args else ""


class WeightsError(StyleError, OSError):
    """Network weights are missing, damaged or of another network."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class DivergenceError(StyleError, ArithmeticError):
    """The optimization met a value that is not a finite number."""


class BackendError(StyleError, RuntimeError):
    """Keras runs on a backend other than TensorFlow, or TensorFlow cannot run in this process."""


class CheckpointError(StyleError, ValueError):
    """A checkpoint cannot be read or belongs to other arguments."""


class ServingError(StyleError):
    """A server did not answer a request with a result.

    Attributes:
        server: its address.
        model: the model that was asked for.
        code: name of the gRPC status code, such as "INTERNAL"; empty where the answer itself was not understood.
        details: the server's own text.
    """

    def __init__(self, message: str, server: str = "", model: str = "", code: str = "", details: str = "") -> None:
        super().__init__(message)
        self.server, self.model, self.code, self.details = server, model, code, details


class ServerUnavailableError(ServingError, ConnectionError):
    """No server answers there, or one that takes no requests for the moment (UNAVAILABLE)."""


class DeadlineError(ServingError, TimeoutError):
    """There was no answer in time (DEADLINE_EXCEEDED)."""


class RefusedError(ServingError, ValueError):
    """The model cannot take this: a picture, a signature, a label.

    INVALID_ARGUMENT, FAILED_PRECONDITION or OUT_OF_RANGE.
    """


class UnknownModelError(ServingError, LookupError):
    """The server has no such model, or none of its versions is loaded (NOT_FOUND)."""


class ExhaustedError(ServingError):
    """A message is too large, or a queue or memory is full (RESOURCE_EXHAUSTED)."""


class AccessError(ServingError, PermissionError):
    """The server wants to know who asks, or refuses who does (UNAUTHENTICATED, PERMISSION_DENIED)."""


class ExportError(StyleError, RuntimeError):
    """An exported model cannot run, or its answers differ from those of the model it was made from."""
