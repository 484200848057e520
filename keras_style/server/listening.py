"""The gRPC port: address, certificates, and the health service on it."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from keras_style.errors import InputError
from keras_style.server.settings import Settings, read_text
from keras_style.serving import messages


def check_free(host: str, port: int) -> None:
    """Refuse a port that is taken before the models are loaded.

    Raises:
        InputError: the address cannot be bound.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        raise InputError(f"cannot listen on {written(host)}:{port}: {error.strerror}; expected a free port") from None


def written(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


def listen(server: Any, settings: Settings, credentials: Any) -> str:
    """Bind the port; returns the address with the port that was taken.

    Args:
        server: the gRPC server, not yet started.
        settings: host and port.
        credentials: the result of `server_credentials`.

    Raises:
        InputError: the address is taken, or the key does not fit the certificate.
    """
    host = written(settings.host)
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


def server_credentials(path: Path | None) -> Any:
    """gRPC's credentials from the text of an SSLConfig (`--ssl_config_file` of TensorFlow Serving); None: no TLS.

    Raises:
        InputError: the file cannot be used. Whether the key fits the certificate, gRPC checks in `listen`.
    """
    if path is None:
        return None
    config = read_text(path, messages.message("SSLConfig")())
    for name in ("server_key", "server_cert"):
        if not getattr(config, name).startswith("-----BEGIN "):
            raise InputError(f"{path}: {name} is not PEM; expected the content of the file, not its path")
    if config.client_verify and not config.custom_ca:
        raise InputError(f"{path} has client_verify and no custom_ca; expected the certificate that clients' are from")
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        config.custom_ca.encode() or None,
        config.client_verify,
    )


def offer_health(server: Any) -> Callable[[], None]:
    """Add grpc.health.v1.Health; returns a function that reports NOT_SERVING from then on."""
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    for name in ("ModelService", "PredictionService"):  # as server.cc names them; "" is there from the start
        servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    return servicer.enter_graceful_shutdown
