"""TLS of a client: certificates for the encryption, and for checking the server and the client."""

import os
from dataclasses import dataclass

import grpc

from keras_style.errors import InputError, MissingFileError
from keras_style.internal.paths import user_path


@dataclass(frozen=True)
class TLS:
    """Encrypts the connection and checks the server; with a certificate of the client, the server checks it (mTLS).

    Args:
        ca: PEM file of the authorities that may sign the server's certificate; by default gRPC's list of public ones.
        certificate: PEM file of the client's certificate chain; requires `key`.
        key: PEM file of the client's private key.
        server_name: the name in the server's certificate, if it is not the host of the address.
    """

    ca: str | os.PathLike[str] | None = None
    certificate: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            given = "a certificate without a key" if self.key is None else "a key without a certificate"
            raise InputError(f"tls: {given}; expected both or neither")

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files, and make gRPC's credentials.

        Raises:
            MissingFileError, InputError: a file is missing, cannot be read or is not PEM.
        """
        return grpc.ssl_channel_credentials(
            _pem("ca", self.ca, "CERTIFICATE"),
            _pem("key", self.key, "PRIVATE KEY"),
            _pem("certificate", self.certificate, "CERTIFICATE"),
        )


def _pem(name: str, path: str | os.PathLike[str] | None, kind: str) -> bytes | None:
    if path is None:
        return None
    try:
        with open(user_path(path), "rb") as file:
            data = file.read()
    except FileNotFoundError as error:
        raise MissingFileError(f"tls: {name}: no such file: {path}") from error
    except OSError as error:
        raise InputError(f"tls: {name}: {path} cannot be read: {error.strerror}") from error
    if f"{kind}-----".encode() not in data:  # gRPC would only say that the handshake failed
        raise InputError(f"tls: {name}: {path} holds no {kind}; expected a PEM file with one")
    return data
