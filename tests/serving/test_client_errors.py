"""Both clients when the server is not there, not ready, slow or wrong: retries, deadlines, errors, waiting."""

import contextlib
import http.server
import socket
import threading
import time

import grpc
import numpy as np
import pytest
from scripted_server import later

from keras_style import errors
from keras_style.errors import InputError
from keras_style.serving import StyleClient, StyledPicture, endpoint

UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "the queue is full")


def test_unavailable_is_tried_again(server, photo):
    server.script.extend([UNAVAILABLE] * 2)
    started = time.monotonic()
    with StyleClient(server.address, "invert") as client:
        assert client.stylize(photo).data
    assert len(server.requests) == 3
    assert time.monotonic() - started >= 0.8 * (0.5 + 1)  # 20 % of jitter


def test_large_requests_are_tried_again_too(use, server):
    server.script.append(UNAVAILABLE)
    server.typed = False
    assert use(lambda client: client.stylize(np.zeros((1400, 1000, 3), np.uint8))).pixels.min() == 255
    assert len(server.requests) == 2


def test_retries_end(use, server, photo):
    server.script.extend([UNAVAILABLE] * 2)
    with pytest.raises(errors.ServerUnavailableError, match="UNAVAILABLE: the queue is full"):
        use(lambda client: client.stylize(photo), retries=1)
    assert len(server.requests) == 2


def test_the_deadline_holds_with_all_tries(server, photo):
    server.script.extend([UNAVAILABLE] * 5)
    started = time.monotonic()
    client = StyleClient(server.address, "invert", deadline=0.8)
    with client, pytest.raises(errors.DeadlineError, match="DEADLINE_EXCEEDED"):
        client.stylize(photo)
    assert 0.8 <= time.monotonic() - started < 3
    assert len(server.requests) == 2


def test_the_deadline_of_a_slow_answer(use, server, photo):
    server.script.append(later(2))
    with pytest.raises(errors.DeadlineError, match=rf"^{server.address}, model invert: DEADLINE_EXCEEDED: "):
        use(lambda client: client.stylize(photo), deadline=0.3)


CLASSES = {
    "UNAVAILABLE": errors.ServerUnavailableError,
    "DEADLINE_EXCEEDED": errors.DeadlineError,
    "INVALID_ARGUMENT": errors.RefusedError,
    "FAILED_PRECONDITION": errors.RefusedError,
    "OUT_OF_RANGE": errors.RefusedError,
    "NOT_FOUND": errors.UnknownModelError,
    "RESOURCE_EXHAUSTED": errors.ExhaustedError,
    "UNAUTHENTICATED": errors.AccessError,
    "PERMISSION_DENIED": errors.AccessError,
    **dict.fromkeys(
        ("CANCELLED", "UNKNOWN", "ALREADY_EXISTS", "ABORTED", "UNIMPLEMENTED", "INTERNAL", "DATA_LOSS"),
        errors.ServingError,
    ),
}


def test_every_code_has_a_class():
    assert CLASSES.keys() == {code.name for code in grpc.StatusCode} - {"OK"}


@pytest.mark.parametrize("code", CLASSES)
def test_an_error_says_where_what_and_why(server, photo, code):
    server.script.append((grpc.StatusCode[code], "because\nof this"))
    with StyleClient(server.address, "invert", retries=0) as client, pytest.raises(errors.StyleError) as caught:
        client.stylize(photo)
    error = caught.value
    assert type(error) is CLASSES[code]
    assert str(error) == f"{server.address}, model invert: {code}: because of this"
    assert (error.server, error.model, error.code) == (server.address, "invert", code)
    assert error.details == "because of this"
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "INTERNAL"])
def test_only_unavailable_is_tried_again(use, server, photo, code):
    server.script.append((grpc.StatusCode[code], "no"))
    with pytest.raises(errors.ServingError):
        use(lambda client: client.stylize(photo))
    assert len(server.requests) == 1


def test_nobody_there(photo):
    with StyleClient("localhost:1", "invert", retries=0) as client:
        with pytest.raises(errors.ServerUnavailableError, match=r"^localhost:1, model invert: UNAVAILABLE: .*refused"):
            client.stylize(photo)
        assert not client.ready()


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({}, "answered nothing"),
        ({"image": np.zeros((2, 16, 16, 3), np.float32)}, r"image \(type 1, shape \[2, 16, 16, 3\]\)"),
        ({"image": np.zeros((1, 16), np.float32)}, r"image \(type 1, shape \[1, 16\]\)"),
        ({"image": [b"x"]}, r"image \(type 7"),
        ({"image_bytes": [b"x", b"y"]}, r"image_bytes \(type 7, shape \[2\]\)"),
        ({"scores": np.zeros(3, np.float32)}, "scores"),
        ({f"x{n:02}": np.zeros(3, np.float32) for n in range(30)}, r"x07 \(type 1, shape \[3\]\), \.\.\.; expected"),
        ({"image": np.zeros([1] * 30, np.float32)}, r"shape \[1, 1, 1, 1, 1, 1, 1, 1, \.\.\.\]\)"),
    ],
)
def test_an_answer_that_is_no_picture(server, photo, outputs, message, monkeypatch):
    from scripted_server import predict_pb2, tf

    response = predict_pb2.PredictResponse(outputs={k: tf.make_tensor_proto(v) for k, v in outputs.items()})
    monkeypatch.setattr(server, "_invert", lambda request, context: response)
    with StyleClient(server.address, "invert") as client, pytest.raises(errors.ServingError, match=message):
        client.stylize(photo)


def test_an_answer_that_cannot_be_read(tmp_path):
    broken = StyledPicture(b"not a picture", None, 1, "serving_bytes")
    for use_it in (lambda: broken.array, lambda: broken.image, lambda: broken.size):
        with pytest.raises(InputError, match="the answer"):
            use_it()
    with pytest.raises(InputError):
        broken.save(tmp_path / "out.png")
    assert not list(tmp_path.iterdir())


# Waiting


def test_ready(use, server):
    assert use(lambda client: client.ready()) is True
    assert use(lambda client: client.ready(), label="canary") is True
    assert use(lambda client: client.ready(), label="none") is False
    assert use(lambda client: client.ready(), model="other") is False
    server.script.append((grpc.StatusCode.INTERNAL, "broken"))
    with pytest.raises(errors.ServingError, match="broken"):
        use(lambda client: client.ready())


def test_wait(use, server):
    server.script.extend([(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(invert)")] * 2)
    use(lambda client: client.wait(30))
    assert len(server.requests) == 3
    with pytest.raises(errors.DeadlineError, match=r"not ready after 0\.3 s: .*Latest\(other\)"):
        use(lambda client: client.wait(0.3), model="other")


# Addresses and connections


@pytest.mark.parametrize(
    "address",
    ["localhost:8500", "127.0.0.1:1", "[::1]:8500", "[fe80::1%eth0]:8500", "dns:///serving:8500", "a.b-c_d.org:65535"],
)
def test_addresses(address):
    assert StyleClient(address, "invert").server == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:http",
        ":8500",
        "::1:8500",
        "[::1]",
        "grpc://localhost:8500",
        "http://localhost:8501",
        "localhost:8500/v1/models/a2b",
        "user@localhost:8500",
        " localhost:8500",
        "local host:8500",
        "localhost:8500,other:8500",
        8500,
        None,
    ],
)
def test_what_is_no_address_is_refused_at_once(address):
    with pytest.raises(InputError, match=r"server is .*; expected HOST:PORT of gRPC, such as localhost:8500"):
        StyleClient(address, "invert")


def test_the_rest_port_is_recognized(photo):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        with (
            StyleClient(f"127.0.0.1:{other.server_port}", "invert", retries=0) as client,
            pytest.raises(errors.ServerUnavailableError, match="speaks no gRPC, or TLS: REST has port 8501 by default"),
        ):
            client.stylize(photo)
        other.shutdown()


def test_a_proxy_is_not_asked_for_this_machine(use, server, photo, monkeypatch):
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert use(lambda client: client.stylize(photo)).data


def test_an_answer_larger_than_it_may_be_is_not_allocated(server, photo, monkeypatch):
    from scripted_server import predict_pb2, tf

    response = predict_pb2.PredictResponse()
    response.outputs["image"].dtype = tf.float32.as_datatype_enum
    response.outputs["image"].float_val.append(0.5)
    for side in (1, 30_000, 30_000, 3):
        response.outputs["image"].tensor_shape.dim.add(size=side)
    monkeypatch.setattr(server, "_invert", lambda request, context: response)
    with StyleClient(server.address, "invert") as client, pytest.raises(errors.ServingError, match="shape"):
        client.stylize(photo)


class Line:
    """A connection to a server that can go dead without a word; connections that come later work."""

    def __init__(self, port):
        self.dead = 0
        self.opened = 0
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near = self._listening.accept()[0]
            except OSError:
                return
            self.opened += 1
            far = socket.create_connection(("127.0.0.1", self._port))
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(self.opened, *ends), daemon=True).start()

    def _pass_on(self, number, source, target):
        with source, contextlib.suppress(OSError):
            while data := source.recv(65536):
                if number > self.dead:
                    target.sendall(data)

    def close(self):
        self._listening.close()


def test_a_dead_connection_is_replaced(server, photo, monkeypatch):
    monkeypatch.setattr(endpoint, "KEEPALIVE_MS", (1000, 1000))
    line = Line(server.port)
    with contextlib.closing(line), StyleClient(line.address, "invert", deadline=20) as client:
        assert client.stylize(photo).data
        line.dead = line.opened
        assert client.stylize(photo).data
        assert line.opened > line.dead


def test_pings_are_as_rare_as_a_server_of_grpc_takes_them():
    """Its own limit is 5 minutes (grpc.http2.min_recv_ping_interval_without_data_ms)."""
    options = dict(StyleClient("localhost:8500", "invert")._options())
    assert options["grpc.keepalive_time_ms"] >= 300_000
    assert options["grpc.keepalive_timeout_ms"] <= 30_000
    assert "grpc.keepalive_permit_without_calls" not in options
