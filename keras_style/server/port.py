"""Where the server listens."""

import socket
from typing import Any

from keras_style.errors import InputError
from keras_style.server.settings import Settings


def listen(server: Any, settings: Settings, credentials: Any) -> str:
    """The address, with the port that was taken."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{host}:{settings.port}"
    try:
        if credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        port, reason = 0, f": {error}"
    else:
        reason = ""
    if not port:
        with_tls = ", or the key and the certificate do not fit" if credentials else ""
        raise InputError(f"cannot listen on {address}{reason}; expected a free port{with_tls}")
    return f"{host}:{port}"


def check_free(host: str, port: int) -> None:
    """Say that the port is taken now, not after the models are loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        raise InputError(f"cannot listen on {host}:{port}: {error.strerror}; expected a free port") from None
