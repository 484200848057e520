"""Deadlines, and the numbers of requests that run and wait."""

import threading
import time

import grpc
import numpy as np
import pytest
from served import AVAILABLE, Client, metrics, publish, refusal, request, serve, times, wait_for

from keras_style.server.gate import Gate
from keras_style.server.status import StatusError


def held(client, file, timeout: float | None = 60.0):
    """Begin a request that runs until a file exists."""
    return client.prediction.Predict.future(request("many", {"file": str(file)}, "held"), timeout)


def outcome(client, timeout: float | None = 60.0) -> str:
    """The code with which a quick request is refused, or nothing."""
    given = {"content": np.float32([1]), "style": np.float32([2])}
    try:
        client.predict("many", given, timeout, signature="stylized")
    except grpc.RpcError as error:
        return error.code().name
    return ""


def test_the_deadline_reaches_the_graph(client, server, tmp_path):
    """The server's own count says so: the client would give up anyway."""
    name = 'request_count{model_name="many",status="DEADLINE_EXCEEDED"}'
    before = metrics(server).get(name, 0)
    assert refusal(held(client, tmp_path / "never", 0.5).result)[0] == "DEADLINE_EXCEEDED"
    wait_for(lambda: metrics(server).get(name, 0) == before + 1, 20)


def test_a_cancelled_request_ends(client, server, tmp_path):
    """What runs ends, what waits gives its place back, and the next requests are as before."""
    name = 'request_count{model_name="many",status="CANCELLED"}'
    for _ in range(3):
        before = metrics(server).get(name, 0)
        calls = [held(client, tmp_path / "never", None) for _ in range(4)]
        wait_for(lambda: outcome(client, 5.0) == "RESOURCE_EXHAUSTED")
        for call in calls[::-1]:
            call.cancel()
        wait_for(lambda wanted=before + 2: metrics(server).get(name, 0) >= wanted, 20)
        assert [outcome(client, 20.0) for _ in range(5)] == [""] * 5


def test_a_server_has_a_largest_deadline(saved, tmp_path):
    """Also for a client that sets none."""
    publish(saved / "all", tmp_path / "m" / "many" / "1")
    with serve(tmp_path / "m", max_seconds=0.4) as server, Client(server.address) as client:
        for timeout in (None, 50):
            asked = request("many", {"file": str(tmp_path / "never")}, "held")
            assert refusal(client.prediction.Predict, asked, timeout)[0] == "DEADLINE_EXCEEDED"
        assert outcome(client, None) == ""


@pytest.mark.parametrize(
    "method",
    [
        "tensorflow.serving.PredictionService/Predict",
        "tensorflow.serving.PredictionService/GetModelMetadata",
        "tensorflow.serving.ModelService/GetModelStatus",
        "tensorflow.serving.ModelService/HandleReloadConfigRequest",
        "grpc.health.v1.Health/Check",
        "grpc.health.v1.Health/Watch",
    ],
)
def test_clients_that_send_nothing_lose_their_places(saved, tmp_path, method):
    """More of them than there are threads; each waits as if its request were on the way."""
    publish(saved / "times_1", tmp_path / "m" / "1")
    over = threading.Event()

    def nothing():
        over.wait(60)
        yield from ()

    options = {"max_running": 1, "max_waiting": 1, "read_seconds": 0.5, "health": True}
    with serve(tmp_path, **options) as server, Client(server.address) as client:
        silent = client.channel.stream_unary(f"/{method}")
        calls = [silent.future(nothing()) for _ in range(20)]
        try:
            wait_for(lambda: all(call.done() for call in calls), 20)
            assert {call.code().name for call in calls} <= {"CANCELLED", "RESOURCE_EXHAUSTED"}
            assert "CANCELLED" in {call.code().name for call in calls}
            wait_for(lambda: times(client) == 1, 5)
        finally:
            over.set()


def test_more_than_run_and_wait_are_refused_at_once(client, tmp_path):
    """Two run and two wait. Those that wait give their places back at their deadline, although nothing ends."""
    running = [held(client, tmp_path / "end") for _ in range(2)]
    time.sleep(0.3)
    waiting = [held(client, tmp_path / "end", 2) for _ in range(2)]
    message = "2 requests are running and 2 are waiting; no more are taken"
    code, said = "", ""
    started = time.perf_counter()
    while code != "RESOURCE_EXHAUSTED":  # they are still on their way
        assert time.perf_counter() - started < 20
        code, said = refusal(client.predict, "many", {"file": b"x"}, 0.1, signature="held")
    assert said == message
    started = time.perf_counter()
    assert outcome(client) == "RESOURCE_EXHAUSTED"
    assert client.states("many") == {7: AVAILABLE, 3: AVAILABLE}  # what runs no model is answered meanwhile
    assert time.perf_counter() - started < 1.5
    assert {each.code() for each in waiting} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    wait_for(lambda: outcome(client, 0.2) == "DEADLINE_EXCEEDED", 20)
    assert not any(each.done() for each in running)
    (tmp_path / "end").touch()
    assert all(each.result().model_spec.version.value == 7 for each in running)
    assert outcome(client) == ""


def test_clients_that_send_nothing_keep_nobody_waiting(client):
    """They have a place each, but not a turn."""
    over = threading.Event()

    def nothing():
        over.wait(60)
        yield from ()

    silent = client.channel.stream_unary("/tensorflow.serving.PredictionService/Predict")
    calls = [silent.future(nothing()) for _ in range(2)]
    time.sleep(0.3)
    assert [outcome(client, 20.0) for _ in range(3)] == ["", "", ""]
    over.set()
    assert [refusal(call.result, 30) for call in calls] == 2 * [("INTERNAL", "Failed to parse the request")]


# The gate itself


def test_as_many_run_and_wait_as_were_asked_for():
    gate = Gate(2, 3)
    inside, let_go = [], threading.Event()
    most = []

    def run():
        with gate.place(), gate.turn(None):
            inside.append(1)
            most.append(len(inside))
            let_go.wait(30)
            inside.pop()

    threads = [threading.Thread(target=run) for _ in range(5)]
    for thread in threads:
        thread.start()
    started = time.perf_counter()
    while refused(gate) is None:
        assert time.perf_counter() - started < 20
    assert refused(gate) == "RESOURCE_EXHAUSTED" and not gate.is_empty() and len(most) == 2
    let_go.set()
    for thread in threads:
        thread.join()
    assert max(most) == 2 and len(most) == 5 and gate.is_empty() and refused(gate) is None


def refused(gate) -> str | None:
    try:
        with gate.place():
            return None
    except StatusError as error:
        return error.code.name


def test_the_deadline_comes_while_it_waits():
    gate = Gate(1, 1)
    with gate.turn(None):
        with pytest.raises(StatusError) as error, gate.turn(time.monotonic() + 0.05):
            pass
        assert error.value.code.name == "DEADLINE_EXCEEDED"
    with gate.turn(time.monotonic() + 5):  # nothing was lost
        pass
