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
    """Keras runs on a backend other than TensorFlow."""


class CheckpointError(StyleError, ValueError):
    """A checkpoint cannot be read or belongs to other arguments."""


class ExportError(StyleError, RuntimeError):
    """What was exported cannot run, or answers otherwise than what it was made from."""
