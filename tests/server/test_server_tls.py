"""TLS of the server, from an SSLConfig."""

import datetime
import ipaddress
import json

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from served import AVAILABLE, Client, publish, refusal

from keras_style.errors import InputError
from keras_style.server import Server


@pytest.fixture(scope="module")
def models(saved, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    publish(saved / "times_1", folder / "many" / "1")
    return folder


def certificate(name, issuer=None):
    """A key and a certificate, in PEM: of an authority, or from one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[2] if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]),
            critical=False,
        )
    )
    signed = builder.sign(issuer[3] if issuer else key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    key_text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key_text, signed.public_bytes(pem), subject, key


@pytest.fixture(scope="module")
def authority():
    return certificate("an authority")


def ssl_file(path, authority, verify, **changes):
    key, cert, *_ = certificate("a server", authority)
    values = {"server_key": key.decode(), "server_cert": cert.decode(), "custom_ca": authority[1].decode(), **changes}
    lines = [f"{name}: {json.dumps(value)}" for name, value in values.items()]
    path.write_text("\n".join([*lines, f"client_verify: {str(verify).lower()}"]))
    return path


def test_tls(authority, models, tmp_path):
    file = ssl_file(tmp_path / "ssl.config", authority, False)
    with Server(models, port=0, ssl_config=file) as server:
        with Client(server.address, grpc.ssl_channel_credentials(authority[1])) as client:
            assert client.states("many") == {1: AVAILABLE}
        with Client(server.address) as client:
            assert refusal(client.states, "many")[0] == "UNAVAILABLE"
        with Client(server.address, grpc.ssl_channel_credentials(certificate("another")[1])) as client:
            assert refusal(client.states, "many")[0] == "UNAVAILABLE"


def test_mutual_tls(authority, models, tmp_path):
    file = ssl_file(tmp_path / "ssl.config", authority, True)
    key, cert, *_ = certificate("a client", authority)
    another = certificate("another authority")
    other_key, other_cert, *_ = certificate("a client", another)
    with Server(models, port=0, ssl_config=file) as server:
        with Client(server.address, grpc.ssl_channel_credentials(authority[1], key, cert)) as client:
            assert client.states("many") == {1: AVAILABLE}
        for credentials in (
            grpc.ssl_channel_credentials(authority[1]),
            grpc.ssl_channel_credentials(authority[1], other_key, other_cert),
        ):
            with Client(server.address, credentials) as client:
                assert refusal(client.states, "many")[0] == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"server_key": "/etc/ssl/key.pem"}, "server_key is not PEM; expected the content of the file, not its path"),
        ({"server_cert": ""}, "server_cert is not PEM"),
        ({"custom_ca": ""}, "has client_verify and no custom_ca"),
        ({"key": ""}, 'is not the text of a SSLConfig: 4:1 : Message type "tensorflow.serving.SSLConfig" has no field'),
        ({"server_key": "-----BEGIN nothing"}, "the key and the certificate do not fit"),
    ],
)
def test_bad_files_for_tls(authority, models, tmp_path, changes, message):
    file = ssl_file(tmp_path / "ssl.config", authority, True, **changes)
    with pytest.raises(InputError) as error:
        Server(models, port=0, ssl_config=file).start()
    assert message in str(error.value)
