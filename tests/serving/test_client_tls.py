"""Encrypted connections: who is trusted, and who is not."""

import datetime
import ipaddress

import grpc
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from running import command
from scripted_server import ScriptedServer, png

from keras_style import errors
from keras_style.errors import InputError, MissingFileError
from keras_style.serving import TLS, StyleClient

PICTURE = np.zeros((16, 16, 3), np.uint8)


class Authority:
    """Issues certificates as PEM files."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._signed(name, self.key, ca=True)
        self.file = self._write(f"{name}.pem", self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name, *hosts):
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate = self._signed(name, key, hosts=hosts).public_bytes(serialization.Encoding.PEM)
        return self._write(f"{name}.pem", certificate), self._write(f"{name}.key", private)

    def _signed(self, name, key, hosts=(), ca=False):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = subject if ca else self.certificate.subject
        now = datetime.datetime.now(datetime.UTC)
        names = [
            x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts
        ]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module", params=[False, True], ids=["tls", "mtls"])
def server(request, authority):
    certificate, key = authority.issue("server", "localhost")
    server = ScriptedServer(
        grpc.ssl_server_credentials(
            [(key.read_bytes(), certificate.read_bytes())],
            root_certificates=authority.file.read_bytes() if request.param else None,
            require_client_auth=request.param,
        )
    )
    server.mutual = request.param
    yield server
    server.stop()


def asked(server, tls, host="localhost"):
    with StyleClient(f"{host}:{server.port}", "invert", tls=tls, retries=0, deadline=10) as client:
        return client.stylize(PICTURE).pixels


def test_who_is_trusted(server, authority):
    certificate, key = authority.issue("client")
    assert asked(server, TLS(authority.file, certificate, key)).min() == 255
    if server.mutual:
        with pytest.raises(errors.ServerUnavailableError):
            asked(server, TLS(authority.file))
    else:
        assert asked(server, TLS(authority.file)).min() == 255


def test_who_is_not(server, authority, stranger):
    certificate, key = authority.issue("client")
    with pytest.raises(errors.ServerUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        asked(server, TLS(stranger.file, certificate, key, "localhost"), host="127.0.0.1")
    with pytest.raises(errors.ServerUnavailableError):
        asked(server, None)
    if server.mutual:
        with pytest.raises(errors.ServerUnavailableError):
            asked(server, TLS(authority.file, *stranger.issue("client")))


def test_another_name_in_the_certificate(server, authority):
    certificate, key = authority.issue("client")
    with pytest.raises(errors.ServerUnavailableError):
        asked(server, TLS(authority.file, certificate, key), host="127.0.0.1")
    found = asked(server, TLS(authority.file, certificate, key, server_name="localhost"), host="127.0.0.1")
    assert found.min() == 255


def test_the_command(server, authority, tmp_path, capsys):
    certificate, key = authority.issue("client")
    (tmp_path / "photo.png").write_bytes(png(PICTURE))
    options = ["--tls-ca", authority.file, "--tls-certificate", certificate, "--tls-key", key]
    arguments = [tmp_path / "photo.png", "-o", tmp_path / "out.png", "-m", "invert", "-s", server.address]
    assert command(capsys, "predict", *arguments, *options)[0] == 0
    assert (tmp_path / "out.png").read_bytes() == png(255 - PICTURE)


def test_mistakes(authority, tmp_path):
    certificate, key = authority.issue("client")
    with pytest.raises(InputError, match="a certificate without a key"):
        TLS(certificate=certificate)
    with pytest.raises(InputError, match="a key without a certificate"):
        TLS(key=key)
    for tls, error, message in (
        (TLS(tmp_path / "none.pem"), MissingFileError, "tls: ca: no such file"),
        (TLS(tmp_path), InputError, "cannot be read: Is a directory"),
        (TLS(key), InputError, "holds no CERTIFICATE"),
        (TLS(None, certificate, certificate), InputError, "holds no PRIVATE KEY"),
    ):
        with pytest.raises(error, match=message):
            StyleClient("localhost:1", "invert", tls=tls).ready()
