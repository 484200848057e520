"""The start and the end of a server: arguments, models that do not load, recorded requests, the grace."""

import logging
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import served
from served import Client, entry, listed, metrics, publish, serve, times, wait_for
from tensorflow_serving.apis import prediction_log_pb2

from keras_style.errors import InputError, MissingFileError
from keras_style.internal.tensorflow import tf
from keras_style.server import Server, loader


def test_a_model_that_does_not_load_at_startup_is_an_error(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "good" / "1")
    (tmp_path / "bad" / "4").mkdir(parents=True)
    with pytest.raises(InputError) as error:
        serve(tmp_path).start()
    place = f"supplied export directory path: {tmp_path}/bad/4. Check that"
    assert "1 model(s) did not become available: {{{name: bad version: 4} due to error: NOT_FOUND: " in str(error.value)
    assert place in str(error.value)


def test_startup_waits_for_a_version(saved, tmp_path):
    (tmp_path / "m").mkdir()
    file = tmp_path / "models.config"
    file.write_text(listed(entry("m", tmp_path / "m")))
    server = serve(config=file)
    starting = threading.Thread(target=server.start)
    starting.start()
    time.sleep(0.3)
    assert starting.is_alive() and not server.address
    publish(saved / "times_2", tmp_path / "m" / "1")
    starting.join(60)
    with Client(server.address) as client:
        assert times(client) == 2
    server.stop()


def test_startup_can_be_given_up(tmp_path):
    (tmp_path / "m").mkdir()
    file = tmp_path / "models.config"
    file.write_text(listed(entry("m", tmp_path / "m")))
    server = serve(config=file)
    starting = threading.Thread(target=server.start)
    starting.start()
    time.sleep(0.3)
    server.stop()
    starting.join(30)
    assert not starting.is_alive() and not server.address


def test_what_does_not_end_within_the_grace_is_cancelled(saved, tmp_path):
    publish(saved / "all", tmp_path / "ending" / "1")
    server = serve(tmp_path, grace_seconds=0.3).start()
    with Client(server.address) as client:
        endless = client.prediction.Predict.future(served.request("ending", {"file": str(tmp_path / "never")}, "held"))
        time.sleep(0.3)
        started = time.perf_counter()
        server.stop()
        assert time.perf_counter() - started < 10
        assert isinstance(endless.exception(), grpc.RpcError)
    # It does not go on behind the scenes, either.
    wait_for(lambda: "versions of ending" not in [thread.name for thread in threading.enumerate()], 20)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, InputError, "models is None and config is None; expected one of the two"),
        ({"models": "{}", "config": "{}/x"}, InputError, "expected one of the two"),
        ({"models": "{}/none"}, MissingFileError, "models: no such directory: "),
        ({"config": "{}/none"}, MissingFileError, "config: no such file: "),
        ({"config": "{}"}, InputError, "is a directory; expected a file"),
        ({"models": "{}", "port": 65536}, InputError, "port is 65536; expected a whole number from 0 to 65535"),
        ({"models": "{}", "port": 9, "rest_port": 9}, InputError, "rest_port is 9, as is port"),
        ({"models": "{}", "max_running": 0}, InputError, "max_running is 0; expected a whole number from 1"),
        ({"models": "{}", "max_message_mebibytes": 2048}, InputError, "max_message_mebibytes is 2048"),
        ({"models": "{}", "poll_seconds": -1}, InputError, "poll_seconds is -1; expected a number from 0"),
        ({"models": "{}", "health": 1}, InputError, "health is 1; expected True or False"),
        (
            {"models": "{}", "intra_op_threads": 2},
            InputError,
            "intra_op_threads is 2, and TensorFlow is already loaded",
        ),
    ],
)
def test_bad_arguments_are_errors_at_once(tmp_path, options, error, message):
    filled = {name: value.format(tmp_path) if isinstance(value, str) else value for name, value in options.items()}
    with pytest.raises(error) as raised:
        Server(**filled)
    assert message in str(raised.value)


def test_a_port_that_is_taken_is_an_error(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "m" / "1")
    with serve(tmp_path) as server:
        port = int(server.address.rpartition(":")[2])
        with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            serve(tmp_path, port=port).start()


# Warm-up


def warmup(path: Path, *requests, **logs):
    (path / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(path / "assets.extra" / "tf_serving_warmup_requests")) as file:
        for asked in requests:
            log = prediction_log_pb2.PredictionLog()
            log.predict_log.request.CopyFrom(asked)
            file.write(log.SerializeToString())
        for name, message in logs.items():
            log = prediction_log_pb2.PredictionLog()
            getattr(log, name).SetInParent()
            file.write(message or log.SerializeToString())


def test_recorded_requests_come_first(saved, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(loader, "_MOST_RECORDS", 2)  # as many as there are
    publish(saved / "times_1", tmp_path / "m" / "1")
    warmup(tmp_path / "m" / "1", *2 * [served.request("m", {"x": np.float32([1])})])
    with caplog.at_level(logging.INFO, "keras_style.serving"), serve(tmp_path, rest_port=0) as server:
        said = [record.getMessage() for record in caplog.records]
        warmed = said.index(f"{tmp_path}/m/1 answered 2 warm-up requests")
        ready = next(i for i, line in enumerate(said) if line.startswith("m version 1 is available"))
        assert warmed < ready < said.index(f"listening on {server.address}, without TLS")
        assert said[0].endswith("production uses TensorFlow Serving")
        counted = {name: value for name, value in metrics(server).items() if str(tmp_path) in name}
        labels = f'model_path="{tmp_path}/m/1",status="OK"'
        assert counted[f"model_warmup_records_read{{{labels}}}"] == 2
        assert counted[f"model_warmup_latency_count{{{labels}}}"] == 1
        assert counted[f"model_warmup_latency_sum{{{labels}}}"] > 0


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: warmup(path, served.request("m", {})), "INVALID_ARGUMENT: input size does not match signature"),
        (lambda path: warmup(path, session_run_log=b""), "UNIMPLEMENTED: Unsupported log_type for warmup: 5"),
        (lambda path: warmup(path, classify_log=b""), "UNIMPLEMENTED: Unsupported log_type for warmup: 2"),
        (lambda path: warmup(path, predict_log=b"\xff\xff"), "INVALID_ARGUMENT: Failed to parse warmup record"),
        (
            lambda path: warmup(path, *4 * [served.request("m", {"x": np.float32([1])})]),
            "INVALID_ARGUMENT: Number of warmup records exceeds the maximum (3)",
        ),
    ],
)
def test_a_recorded_request_that_fails_keeps_the_version_out(saved, tmp_path, monkeypatch, write, message):
    assert loader._MOST_RECORDS == 1000
    monkeypatch.setattr(loader, "_MOST_RECORDS", 3)  # sooner
    publish(saved / "times_1", tmp_path / "m" / "1")
    write(tmp_path / "m" / "1")
    with pytest.raises(InputError) as error:
        serve(tmp_path).start()
    assert message in str(error.value)
    with serve(tmp_path, warmup=False) as server, Client(server.address) as client:
        assert times(client) == 1


def test_records_that_are_none_keep_the_version_out(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "m" / "1")
    (tmp_path / "m" / "1" / "assets.extra").mkdir()
    (tmp_path / "m" / "1" / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"no record at all, but text")
    with pytest.raises(InputError, match=r"DATA_LOSS: .*Please verify your warmup data is in TFRecord format\."):
        serve(tmp_path).start()
