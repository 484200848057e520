"""The REST port: metrics for Prometheus, and the status of models as TensorFlow Serving's JSON."""

import contextlib
import http.client
import json
import socket
import struct
import time
import urllib.error
import urllib.request

import pytest
from served import END, Client, get, metrics, picture, publish, refusal, serve, times, wait_for

from keras_style.errors import InputError
from keras_style.server import rest
from keras_style.server.metrics import Counter, Histogram

# Metrics


def test_metrics(client, server):
    labels = 'model_name="many",API="Predict",'
    counted = [
        'request_count{model_name="many",status="OK"}',
        'request_count{model_name="many",status="INVALID_ARGUMENT"}',
        'request_count{model_name="",status="NOT_FOUND"}',
        f'request_latency_count{{{labels}entrypoint="GRPC"}}',
        f'runtime_latency_count{{{labels}runtime="TF1"}}',
        f'request_latency_sum{{{labels}entrypoint="GRPC"}}',
        f'runtime_latency_sum{{{labels}runtime="TF1"}}',
    ]
    before = metrics(server)
    started = time.perf_counter()
    client.predict("many", {"image": picture(1, 500, 500, 3)})
    microseconds = 1e6 * (time.perf_counter() - started)
    refusal(client.predict, "many", {})
    refusal(client.predict, "made up by a client", {})
    after = metrics(server)
    *counts, request, runtime = (after[name] - before.get(name, 0) for name in counted)
    assert counts == [1, 1, 1, 1, 1]  # what is refused has no latency
    assert 0 < runtime < request < microseconds
    assert not [name for name in after if "made up" in name]  # such names would fill the memory


def test_histograms_have_the_buckets_of_tensorflow_serving(client, server):
    client.predict("many", {"image": picture()})
    lines = get(server, "/monitoring/prometheus/metrics")[2].splitlines()
    for kind, name in (
        ("counter", "request_count"),
        ("histogram", "request_latency"),
        ("histogram", "runtime_latency"),
    ):
        assert f"# TYPE :tensorflow:serving:{name} {kind}" in lines
    for name, last in (("request_latency", 'entrypoint="GRPC"'), ("runtime_latency", 'runtime="TF1"')):
        labels = f'model_name="many",API="Predict",{last}'
        buckets = [line for line in lines if line.startswith(f":tensorflow:serving:{name}_bucket{{{labels}")]
        limits = [line.partition('le="')[2].partition('"')[0] for line in buckets]
        assert limits == [f"{10 * 1.8**i:g}" for i in range(33)] + ["+Inf"]
        counts = [int(line.rpartition(" ")[2]) for line in buckets]
        assert counts == sorted(counts)
        assert f":tensorflow:serving:{name}_count{{{labels}}} {counts[-1]}" in lines


def test_histogram():
    """A value on a limit belongs to the next bucket, as in tsl/lib/histogram."""
    histogram = Histogram("/a/b-c", ("model",), 1, 2, 3)
    for value in (0.5, 1, 3.5, 4, 100):
        histogram.add(value, 'x"\\')
    assert histogram.lines() == [
        ':a:b:c_bucket{model="x\\"\\\\",le="1"} 1',
        ':a:b:c_bucket{model="x\\"\\\\",le="2"} 2',
        ':a:b:c_bucket{model="x\\"\\\\",le="4"} 3',
        ':a:b:c_bucket{model="x\\"\\\\",le="+Inf"} 5',
        ':a:b:c_sum{model="x\\"\\\\"} 109',
        ':a:b:c_count{model="x\\"\\\\"} 5',
    ]


def test_counter():
    counter = Counter("/n", ("a", "b"))
    assert (counter.first(), counter.lines()) == (0, [])
    counter.add(2, "x", "y")
    counter.add(3, "z", "y")
    counter.add(1, "x", "y")
    assert (counter.first(), counter.lines()) == (3, [':n{a="x",b="y"} 3', ':n{a="z",b="y"} 3'])


@pytest.mark.parametrize("path", ["/", "/monitoring", "/monitoring/prometheus/metrics/more", "/v2/models/many"])
def test_other_paths_are_not_found(server, path):
    assert get(server, path)[0] == 404


# Status


def entry(version, state="AVAILABLE", code="OK", message=""):
    return {"version": str(version), "state": state, "status": {"error_code": code, "error_message": message}}


@pytest.mark.parametrize(
    ("path", "versions"),
    [
        ("many", [7, 3]),
        ("many/versions/3", [3]),
        ("many/versions/0007", [7]),
        ("many/labels/stable", [7, 3]),  # as over gRPC, a label is ignored
        ("many/labels/nobody%20knows", [7, 3]),
        ("m%61ny?verbose=1", [7, 3]),
    ],
)
def test_status(client, server, path, versions):
    code, kind, text = get(server, f"/v1/models/{path}")
    assert (code, kind) == (200, "application/json")
    assert json.loads(text) == {"model_version_status": [entry(version) for version in versions]}


def test_paths_are_read_without_regard_to_case(client, server):
    assert get(server, "/V1/Models/many") == get(server, "/v1/models/many")
    assert get(server, "/v1/models/MANY")[0] == 404


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("/v1/models/none", 404, "Could not find any versions of model none"),
        ("/v1/models/many/versions/4", 404, "Could not find version 4 of model many"),
        ("/v1/models", 400, "Missing model name in request."),
        ("/v1/models/versions/3", 400, "Missing model name in request."),
        (f"/v1/models/many/versions/{2**63}", 400, f"Failed to convert version: {2**63} to numeric."),
        (f"/v1/models/many/versions/{'9' * 5000}", 400, f"Failed to convert version: {'9' * 5000} to numeric."),
        ("/v1/models/many/versions/x", 400, "Malformed request: GET /v1/models/many/versions/x"),
        (
            "/v1/models/many/versions/3/labels/stable",
            400,
            "Malformed request: GET /v1/models/many/versions/3/labels/stable",
        ),
        ("/v1/models/many:predict", 400, "Malformed request: GET /v1/models/many:predict"),
        ("/v1/else", 400, "Malformed request: GET /v1/else"),
    ],
)
def test_status_refuses(client, server, path, code, message):
    assert (*get(server, path)[:2], json.loads(get(server, path)[2])) == (code, "application/json", {"error": message})


def test_status_of_a_version_that_failed(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "m" / "1")
    with serve(tmp_path, rest_port=0) as server, Client(server.address) as client:
        (tmp_path / "m" / "2").mkdir()
        wait_for(lambda: client.states("m").get(2) == END)
        failed, kept = json.loads(get(server, "/v1/models/m")[2])["model_version_status"]
        message = failed["status"].pop("error_message")
        assert failed == {"version": "2", "state": "END", "status": {"error_code": "NOT_FOUND"}}
        assert message.startswith("Could not find SavedModel .pb or .pbtxt at supplied export directory path: ")
        assert kept == entry(1)


def test_predictions_are_not_offered(server):
    asked = urllib.request.Request(f"http://127.0.0.1:{server.rest_port}/v1/models/many:predict", b"{}")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=30)
    with refused.value as error:  # it holds the connection
        assert error.code == 501


def test_a_rest_port_that_is_taken_is_an_error(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "m" / "1")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            serve(tmp_path, rest_port=port).start()
        (tmp_path / "m" / "1" / "saved_model.pb").unlink()  # it says so before a model is loaded, which takes time
        with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            serve(tmp_path, rest_port=port).start()


# Clients that are slow, many or gone


def connected(server, sent=b""):
    connection = socket.create_connection(("127.0.0.1", server.rest_port), 30)
    connection.sendall(sent)
    return connection


def test_slow_clients_keep_nobody_waiting(server, monkeypatch):
    """Neither those that say nothing, nor those that send a byte now and then, nor those that do not read."""
    monkeypatch.setattr(rest, "_SECONDS", 1.0)
    slow = [connected(server, sent) for sent in (b"", b"GET ", b"GET /v1/models/many HTTP/1.1\r\nA: b\r\n")]
    started = time.perf_counter()
    assert get(server, "/v1/models/many")[0] == 200
    assert time.perf_counter() - started < 1
    while time.perf_counter() - started < 2.5:
        for connection in slow:
            with contextlib.suppress(OSError):
                connection.sendall(b"x")
        time.sleep(0.2)
    for connection in slow:
        with connection, contextlib.suppress(ConnectionError):
            assert connection.recv(4096)[:6] in (b"", b"HTTP/1")


def test_only_so_many_connections_are_kept(server, monkeypatch):
    monkeypatch.setattr(rest, "_MOST", 3)
    held = [connected(server) for _ in range(3)]
    time.sleep(0.2)
    with connected(server) as refused, contextlib.suppress(ConnectionError):
        assert refused.recv(1) == b""
    for connection in held:
        connection.close()
    wait_for(lambda: status_or_none(server) == 200, 10)


def status_or_none(server):
    with contextlib.suppress(OSError, http.client.HTTPException):
        return get(server, "/v1/models/many")[0]


def test_a_client_that_hangs_up_leaves_no_trace(server, capfd, caplog):
    for sent in (b"", b"GET /v1/mod", b"GET /monitoring/prometheus/metrics HTTP/1.0\r\n\r\n"):
        for _ in range(5):
            connection = connected(server, sent)
            # The kernel sends a reset instead of a good-bye.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
    assert get(server, "/v1/models/many")[0] == 200
    assert "Traceback" not in capfd.readouterr().err and not caplog.records


def test_the_end_does_not_wait_for_clients(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "m" / "1")
    server = serve(tmp_path, rest_port=0).start()
    with connected(server, b"GET /monitoring"), connected(server):
        time.sleep(0.2)
        started = time.perf_counter()
        server.stop()
        assert time.perf_counter() - started < 5


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_ipv6(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "m" / "1")
    with serve(tmp_path, host="::1", rest_port=0) as server, Client(server.address) as client:
        assert server.address.startswith("[::1]:") and times(client) == 1
        with urllib.request.urlopen(f"http://[::1]:{server.rest_port}/v1/models/m", timeout=30) as answer:
            assert answer.status == 200
