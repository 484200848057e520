"""The arguments of a server, with their defaults and checks, and the text files that they name."""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from keras_style import checks
from keras_style.errors import InputError, MissingFileError
from keras_style.internal.paths import user_path

MEBIBYTE = 2**20


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The arguments of `keras_style.server.Server`, whose docstring describes them."""

    models: Path | None = None
    config: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8500
    rest_port: int | None = None
    poll_seconds: float = 1.0
    config_poll_seconds: float = 0.0
    load_retries: int = 5
    load_retry_seconds: float = 2.0
    labels_ahead: bool = False
    warmup: bool = True
    max_running: int | None = None
    max_waiting: int = 16
    max_message_mebibytes: int = 128
    read_seconds: float = 60.0
    max_seconds: float = 600.0
    tensor_content: bool = False
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    ssl_config: Path | None = None
    health: bool = False
    grace_seconds: float = 30.0

    def __post_init__(self) -> None:
        if (self.models is None) == (self.config is None):
            raise InputError(
                f"models is {self.models} and config is {self.config}; expected one of the two: a directory of models, "
                "or a file that lists them"
            )
        for name in ("models", "config", "ssl_config"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _existing(name, value))
        if not isinstance(self.host, str) or not self.host:
            raise InputError(f"host is {self.host!r}; expected a name or an address, such as 127.0.0.1")
        checks.whole("port", self.port, 0, 65535)
        if self.rest_port is not None:
            checks.whole("rest_port", self.rest_port, 0, 65535)
            if self.rest_port and self.rest_port == self.port:
                raise InputError(f"rest_port is {self.rest_port}, as is port; expected another one")
        for name in ("poll_seconds", "config_poll_seconds", "load_retry_seconds", "grace_seconds"):
            checks.number(name, getattr(self, name), 0, 10**6)
        for name in ("read_seconds", "max_seconds"):
            checks.number(name, getattr(self, name), 0.01, 10**6)
        checks.whole("load_retries", self.load_retries, 0, 1000)
        if self.max_running is None:
            object.__setattr__(self, "max_running", cores())
        checks.whole("max_running", self.max_running, 1, 1000)
        checks.whole("max_waiting", self.max_waiting, 0, 10000)
        checks.whole("max_message_mebibytes", self.max_message_mebibytes, 1, 2047)  # gRPC counts in 32 bits
        for name in ("intra_op_threads", "inter_op_threads"):
            checks.whole(name, getattr(self, name), 0, 1000)
        for each in fields(self):
            if each.type is bool:
                checks.truth(each.name, getattr(self, each.name))

    def is_local(self) -> bool:
        """Whether only this machine reaches the server."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def read_text(path: str | os.PathLike[str], message: Any) -> Any:
    """Parse a file in protocol buffers' text format into a message, and return the message.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not text of that message; the error names the line.
    """
    from google.protobuf import text_format  # here: the defaults above are needed for --help

    kind = message.DESCRIPTOR.name
    try:
        return text_format.Parse(user_path(path).read_text(), message)
    except FileNotFoundError:
        raise MissingFileError(f"no such file: {path}; expected the text of a {kind}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as the text of a {kind}: {error}") from None
    except (text_format.ParseError, RecursionError) as error:
        raise InputError(f"{path} is not the text of a {kind}: {str(error)[:300]}") from None


def _existing(name: str, value: Any) -> Path:
    if not isinstance(value, str | os.PathLike):
        raise InputError(f"{name} is of type {type(value).__name__}; expected a path")
    path = user_path(value)
    wanted = "directory" if name == "models" else "file"
    if not path.exists():
        raise MissingFileError(f"{name}: no such {wanted}: {path}")
    if path.is_dir() != (wanted == "directory"):
        raise InputError(
            f"{name}: {path} is {'a file' if wanted == 'directory' else 'a directory'}; expected a {wanted}"
        )
    return path
