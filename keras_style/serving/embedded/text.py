"""Text files that TensorFlow Serving takes: the models to serve, and the certificates."""

import os
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import Message

from keras_style.errors import InputError, MissingFileError


def read(path: str | os.PathLike[str], message: Message) -> Any:
    """Read a text file into a message, and return the message.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not text of that message; the error names the line.
    """
    kind = message.DESCRIPTOR.name
    try:
        text = Path(path).read_text()
    except FileNotFoundError:
        raise MissingFileError(f"no such file: {path}; expected the text of a {kind}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as the text of a {kind}: {error}") from None
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise InputError(f"{path} is not the text of a {kind}: {error}") from None


def ssl_config() -> Any:
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
