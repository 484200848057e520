"""Certificates: an SSLConfig, as `--ssl_config_file` of TensorFlow Serving."""

from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from keras_style.errors import InputError
from keras_style.server import text


def credentials(path: Path | None) -> Any:
    """gRPC's, of the text of an SSLConfig; None: no TLS.

    Raises:
        InputError: what is in the file cannot be used; gRPC itself checks whether the key fits.
    """
    if path is None:
        return None
    config = text.read(path, _ssl_config())
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


def _ssl_config() -> Any:
    """An empty SSLConfig, which tensorflow-serving-api lacks (tensorflow_serving/config/ssl_config.proto)."""
    field = descriptor_pb2.FieldDescriptorProto
    message = descriptor_pb2.DescriptorProto(name="SSLConfig")
    for number, name in enumerate(("server_key", "server_cert", "custom_ca", "client_verify"), 1):
        kind = field.TYPE_BOOL if name == "client_verify" else field.TYPE_STRING
        message.field.add(name=name, number=number, type=kind, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()  # of its own: another module may describe the same message
    pool.Add(
        descriptor_pb2.FileDescriptorProto(
            name="ssl_config.proto", package="tensorflow.serving", syntax="proto3", message_type=[message]
        )
    )
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.serving.SSLConfig"))()
