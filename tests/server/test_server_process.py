"""`keras-style serve` as a process: signals, TLS, health, hostile bytes, settings of threads."""

import contextlib
import datetime
import ipaddress
import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import served
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import text_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import command, fresh_environment
from served import Client, publish, refusal, request

from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf
from keras_style.server import Server

PREDICT = "/tensorflow.serving.PredictionService/Predict"


@contextlib.contextmanager
def process(*arguments):
    """The command in a process of its own, once it listens: the process, its address, its lines so far."""
    line = [sys.executable, "-m", "keras_style", "serve", *map(str, arguments), "--port", "0"]
    running = subprocess.Popen(
        line, stderr=subprocess.PIPE, text=True, env=fresh_environment(), cwd=Path(__file__).parents[2]
    )
    lines: list[str] = []
    try:
        for text in running.stderr:
            lines.append(text)
            if found := re.search(r"listening on (\S+),", text):
                break
        else:
            raise AssertionError("".join(lines))
        reader = threading.Thread(target=lambda: lines.extend(running.stderr), daemon=True)
        reader.start()
        yield running, found[1], lines
    finally:
        if running.poll() is None:
            running.kill()
        running.wait()
    reader.join(30)


@pytest.fixture(scope="module")
def models(saved, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    publish(saved / "all", folder / "many" / "1")
    return folder


@pytest.fixture(scope="module")
def running(models):
    options = ["--health", "--max-message-mebibytes", 4, "--intra-op-threads", 1, "--inter-op-threads", 1]
    with process(models, *options, "--grace-seconds", 20) as (server, address, lines):
        yield server, address, lines


@pytest.fixture
def client(running):
    with Client(running[1]) as client:
        yield client


# Hostile bytes

CONTRACT = {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "INTERNAL", "OK"}
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def outcome(client, data: bytes) -> str:
    call = client.channel.unary_unary(PREDICT)
    try:
        call(data, 30)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


@FEW
@given(data=st.binary(max_size=300))
def test_random_bytes(client, data):
    assert outcome(client, data) in CONTRACT


tensors = st.builds(
    lambda dtype, sides, content, floats, ints, strings: text_format.Parse(
        f"dtype: {dtype} tensor_shape {{ {' '.join(f'dim {{ size: {side} }}' for side in sides)} }}",
        type(tf.make_tensor_proto(0))(tensor_content=content, float_val=floats, int_val=ints, string_val=strings),
    ),
    dtype=st.integers(0, 30) | st.sampled_from([1, 1, 1, 4, 7]) | st.integers(100, 131),
    sides=st.lists(st.integers(-2, 9) | st.sampled_from([2**31, 2**62, 3]), max_size=6),
    content=st.sampled_from([b"", b"\0" * 12, b"\xff" * 4 * 27]) | st.binary(max_size=64),
    floats=st.lists(st.floats(width=32), max_size=4),
    ints=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4),
    strings=st.lists(st.binary(max_size=20), max_size=3),
)
SIGNATURES = {
    "": ["image"],
    "encoded": ["image_bytes"],
    "stylized": ["content", "style", "steps"],
    "__saved_model_init_op": [],
    "half_plus_two": ["inputs"],
}


@FEW
@given(data=st.data(), signature=st.sampled_from([*SIGNATURES]))
def test_random_tensors(client, data, signature):
    names = st.sampled_from([*SIGNATURES[signature], *SIGNATURES[signature], "image", "x"])
    inputs = data.draw(st.dictionaries(names, tensors, max_size=3))
    assert outcome(client, request("many", inputs, signature).SerializeToString()) in CONTRACT


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header promises more than there is."""
    real = tf.io.encode_png(np.zeros((2, 2, 3), np.uint8)).numpy()
    return real[:16] + width.to_bytes(4, "big") + height.to_bytes(4, "big") + real[24:]


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", b"\xff\xd8\xff", png_of(50_000, 50_000), png_of(2**31 - 1, 2**31 - 1), b"GIF89a" + b"\xff" * 50],
)
def test_hostile_images(client, data):
    code, _ = refusal(client.predict, "many", {"image_bytes": [data]}, signature="encoded")
    assert code == "INVALID_ARGUMENT"


def test_a_hundred_megabytes_are_refused(client):
    assert outcome(client, b"\0" * 100_000_000) == "RESOURCE_EXHAUSTED"


def test_compressed_zeros_do_not_fill_the_memory(running):
    """What is beyond the limit once it is unpacked is not unpacked."""
    pid = running[0].pid
    with Client(running[1]) as client:
        call = client.channel.unary_unary(PREDICT)
        with pytest.raises(grpc.RpcError) as refused:
            call(b"\0" * 2**27, 60, compression=grpc.Compression.Gzip)
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])
    now = int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])
    assert peak - now < 80_000


def test_all_that_did_not_harm_it(client, running):
    """After the tests above: the process lives, and answers as before."""
    x = served.picture()
    np.testing.assert_array_equal(client.predict("many", {"image": x})["image"], x)
    assert running[0].poll() is None
    assert not [line for line in running[2] if "Traceback" in line]


# Health


def health(client, name: str) -> str:
    check = health_pb2_grpc.HealthStub(client.channel).Check
    answer = check(health_pb2.HealthCheckRequest(service=name), 30)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


@pytest.mark.parametrize("name", ["", "ModelService", "PredictionService"])
def test_health(client, name):
    assert health(client, name) == "SERVING"


def test_health_of_an_unknown_service(client):
    assert refusal(health, client, "tensorflow.serving.PredictionService")[0] == "NOT_FOUND"


# Threads, log


def test_threads_are_those_asked_for(running):
    """Each pool names its threads."""
    names = [Path(task, "comm").read_text().strip() for task in Path(f"/proc/{running[0].pid}/task").iterdir()]
    assert sum(name.startswith("tf_Compute") for name in names) == 2, names  # two of each by default, on two cores


def test_the_log_says_what_production_uses(running):
    assert "production uses TensorFlow Serving" in running[2][0]
    assert any(re.search(r"many version 1 is available after [\d.]+ s$", line) for line in running[2])


def test_the_help_says_it_too(capsys):
    status, out, _ = command(capsys, "serve", "--help")
    assert status == 0 and "tensorflow_model_server" in out
    for name in ("--config", "--host", "--port", "--rest-port", "--ssl-config", "--health", "--max-waiting", "--quiet"):
        assert name in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected one of the two"),
        (["missing"], "models: no such directory: missing"),
        ([".", "--max-running", "0"], "max_running is 0; expected a whole number from 1 to 1000"),
        ([".", "--ssl-config", "missing"], "ssl_config: no such file: missing"),
    ],
)
def test_bad_arguments_are_one_line(capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = command(capsys, "serve", *arguments)
    assert (status, out) == (2, "") and message in err and err.count("\n") == 1


def test_a_model_that_does_not_load_ends_the_command(capsys, tmp_path):
    (tmp_path / "bad" / "1").mkdir(parents=True)
    status, out, err = command(capsys, "serve", tmp_path, "--port", 0, "--load-retries", 0, "--quiet")
    logged, said = err.splitlines()
    assert (status, out) == (2, "") and "bad version 1 cannot be loaded: NOT_FOUND: " in logged
    assert said.startswith("keras-style: the server does not start: 1 model(s) did not become available: ")


# TLS


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
            assert client.states("many") == {1: 30}
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
            assert client.states("many") == {1: 30}
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


# The end


def check_end(server, address, lines, number):
    with Client(address) as client:
        watch = health_pb2_grpc.HealthStub(client.channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        begun = client.prediction.Predict.future(request("many", {"steps": np.int32(200_000)}, "slow"), 60)
        time.sleep(0.5)
        server.send_signal(number)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        time.sleep(0.3)
        assert refusal(client.states, "many")[0] == "UNAVAILABLE"
        assert begun.result().model_spec.version.value == 1
    assert server.wait(30) == 0
    assert not [line for line in lines if "Traceback" in line]
    assert [line for line in lines if "no longer listens" in line]


@pytest.mark.slow
def test_ctrl_c_lets_requests_end_and_takes_no_more(models):
    with process(models, "--health") as running:
        check_end(*running, signal.SIGINT)


def test_sigterm_lets_requests_end_and_takes_no_more(running):
    """The last test: the others have the same process."""
    check_end(*running, signal.SIGTERM)
