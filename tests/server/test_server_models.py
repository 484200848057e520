"""What the embedded server serves: versions on disk, configurations, labels, swaps under load."""

import gc
import logging
import os
import shutil
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import served
from google.protobuf import text_format
from served import Client, publish, refusal
from tensorflow_serving.apis import model_management_pb2, prediction_log_pb2

from keras_style.errors import InputError, MissingFileError
from keras_style.internal.tensorflow import tf
from keras_style.server import Server
from keras_style.server import warm_up as warmup_module

LOADING, AVAILABLE, END = 20, 30, 50
SOON = 0.05  # seconds between two looks


def times(client, name="m", **spec) -> float:
    """By what the version that answers multiplies."""
    return float(client.predict(name, {"x": np.float32([1])}, **spec)["y"][0])


def wait_for(condition, seconds=60.0):
    started = time.perf_counter()
    while not condition():
        assert time.perf_counter() - started < seconds, "it did not come"
        time.sleep(0.02)


def serve(models=None, **options) -> Server:
    return Server(models, **{"port": 0, "poll_seconds": SOON, "load_retries": 0, "load_retry_seconds": 0.05, **options})


def entry(name, base, rest="", platform='model_platform: "tensorflow"'):
    return f'config {{ name: "{name}" base_path: "{base}" {platform} {rest} }}'


def listed(*entries) -> str:
    return f"model_config_list {{ {' '.join(entries)} }}"


def reload(client, *entries, metrics=()):
    asked = model_management_pb2.ReloadConfigRequest(metric_names=metrics)
    text_format.Parse(listed(*entries), asked.config)
    return client.models.HandleReloadConfigRequest(asked, 60)


# The directory


def test_every_folder_with_versions_is_a_model(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "a" / "1")
    publish(saved / "times_2", tmp_path / "b" / "0012")
    publish(saved / "times_3", tmp_path / "b" / "9")
    for nothing in ("notes", ".hidden/1", "a/draft", "a/.7", "a/-7", "a/99999999999999999999"):
        (tmp_path / nothing).mkdir(parents=True)
    (tmp_path / "file").touch()
    with serve(tmp_path) as server, Client(server.address) as client:
        assert (client.states("a"), client.states("b")) == ({1: AVAILABLE}, {12: AVAILABLE})
        assert (times(client, "a"), times(client, "b")) == (1, 2)
        assert refusal(client.states, "notes")[0] == refusal(client.states, ".hidden")[0] == "NOT_FOUND"
        publish(saved / "times_3", tmp_path / "late" / "5")
        wait_for(lambda: (tmp_path / "late").exists() and available(client, "late"))
        assert times(client, "late") == 3


def available(client, name) -> bool:
    try:
        return AVAILABLE in client.states(name).values()
    except grpc.RpcError:
        return False


@pytest.mark.parametrize("inside", ["", "1"])
def test_a_directory_without_models_is_an_error(saved, tmp_path, inside):
    models = tmp_path / "models"
    models.mkdir()
    if inside:
        publish(saved / "times_1", models / inside)
    with pytest.raises(InputError, match=r"models holds no models; expected .*/NAME/NUMBER/saved_model.pb") as error:
        serve(models).start()
    assert ("it looks like one model: serve" in str(error.value)) is bool(inside)


def test_a_new_version_takes_over_and_the_old_one_ends(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "m" / "1")
    with serve(tmp_path) as server, Client(server.address) as client:
        assert times(client) == 1
        publish(saved / "times_2", tmp_path / "m" / "2")
        wait_for(lambda: client.states("m") == {2: AVAILABLE, 1: END})
        assert times(client) == 2
        assert list(client.states("m")) == [2, 1]
        message = "Servable not found for request: Specific(m, 1)"
        assert refusal(times, client, version=1) == ("NOT_FOUND", message)
        shutil.rmtree(tmp_path / "m" / "2")  # rolled back
        wait_for(lambda: client.states("m") == {2: END, 1: AVAILABLE})
        assert times(client) == 1


def test_a_request_that_runs_is_answered_by_the_version_it_began_with(saved, tmp_path):
    publish(saved / "all", tmp_path / "m" / "1")
    with serve(tmp_path) as server, Client(server.address) as client:
        running = client.prediction.Predict.future(served.request("m", {"steps": np.int32(500_000)}, "slow"), 60)
        time.sleep(0.3)
        publish(saved / "times_2", tmp_path / "m" / "2")
        wait_for(lambda: client.states("m")[1] == 40)  # unloading: version 2 is served already
        assert times(client) == 2 and not running.done()
        assert running.result().model_spec.version.value == 1
        wait_for(lambda: client.states("m") == {2: AVAILABLE, 1: END})


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda version: (version / "saved_model.pb").unlink(), 5),
        (lambda version: (version / "saved_model.pb").write_bytes(b"half of it"), None),
        (lambda version: shutil.rmtree(version / "variables"), None),
        (lambda version: os.truncate(next((version / "variables").glob("*data*")), 1), None),
    ],
)
def test_a_broken_version_ends_with_its_error_and_the_old_one_stays(saved, tmp_path, damage, code):
    publish(saved / "times_1", tmp_path / "m" / "1")
    shutil.copytree(saved / "times_2", tmp_path / "broken")
    damage(tmp_path / "broken")
    with serve(tmp_path, load_retries=1) as server, Client(server.address) as client:
        (tmp_path / "broken").rename(tmp_path / "m" / "2")
        wait_for(lambda: client.states("m") == {2: END, 1: AVAILABLE})
        status = (
            client.models.GetModelStatus(
                served.get_model_status_pb2.GetModelStatusRequest(
                    model_spec=served.request("m", {}, version=2).model_spec
                )
            )
            .model_version_status[0]
            .status
        )
        assert status.error_code not in (0, None) and status.error_message
        assert code is None or status.error_code == code
        assert times(client) == 1
        publish(saved / "times_3", tmp_path / "m" / "3")  # the next one mends it
        wait_for(lambda: client.states("m") == {3: AVAILABLE, 2: END, 1: END})


def test_a_version_that_is_still_copied_is_tried_again(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "m" / "1")
    with serve(tmp_path, load_retries=1000) as server, Client(server.address) as client:
        (tmp_path / "m" / "2").mkdir()
        wait_for(lambda: client.states("m") == {2: LOADING, 1: AVAILABLE})
        assert times(client) == 1
        shutil.copytree(saved / "times_2" / "variables", tmp_path / "m" / "2" / "variables")
        shutil.copy(saved / "times_2" / "saved_model.pb", tmp_path / "m" / "2" / "saved_model.pb")
        wait_for(lambda: client.states("m") == {2: AVAILABLE, 1: END})
        assert times(client) == 2


def test_a_version_that_is_withdrawn_is_not_tried_again(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "m" / "1")
    with serve(tmp_path, load_retries=1000, load_retry_seconds=1000) as server, Client(server.address) as client:
        (tmp_path / "m" / "2").mkdir()
        wait_for(lambda: client.states("m") == {2: LOADING, 1: AVAILABLE})
        (tmp_path / "m" / "2").rmdir()
        wait_for(lambda: client.states("m") == {2: END, 1: AVAILABLE})
        publish(saved / "times_2", tmp_path / "m" / "2")  # and its name is not spent
        wait_for(lambda: client.states("m") == {2: AVAILABLE, 1: END})


def test_the_old_version_is_wanted_again_while_the_new_one_fails(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "m" / "1")
    with serve(tmp_path) as server, Client(server.address) as client:
        (tmp_path / "m" / "2").mkdir()
        wait_for(lambda: client.states("m") == {2: END, 1: AVAILABLE})
        (tmp_path / "m" / "2").rmdir()
        time.sleep(5 * SOON)
        publish(saved / "times_2", tmp_path / "m" / "2")
        wait_for(lambda: client.states("m") == {2: AVAILABLE, 1: END})


def test_a_base_path_that_is_gone_for_a_moment_takes_nothing_with_it(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "m" / "1")
    with serve(tmp_path) as server, Client(server.address) as client:
        (tmp_path / "m").rename(tmp_path / ".elsewhere")
        time.sleep(5 * SOON)
        assert times(client) == 1 and client.states("m") == {1: AVAILABLE}


# Startup


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
    publish(saved / "all", tmp_path / "m" / "1")
    server = serve(tmp_path, grace_seconds=0.3).start()
    with Client(server.address) as client:
        endless = client.prediction.Predict.future(served.request("m", {"steps": np.int32(10**9)}, "slow"))
        time.sleep(0.5)
        started = time.perf_counter()
        server.stop()
        assert time.perf_counter() - started < 10
        assert isinstance(endless.exception(), grpc.RpcError)
    # It does not go on behind the scenes, either.
    wait_for(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("versions of")], 20)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (listed(entry("m", "relative")), "Expected model m to have an absolute path or URI; got base_path()=relative"),
        (listed(entry("m", "/a"), entry("m", "/b")), "Illegal to list model m multiple times in config list"),
        (
            listed(entry("m", "/a", platform="")),
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            "ModelServerConfig::model_platform, model name is m",
        ),
        (
            listed(entry("m", "/a", "model_type: TENSORFLOW")),
            "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform, "
            "model name is m",
        ),
        (listed(entry("m", "/a", platform='model_platform: "onnx"')), "Model m requests unsupported platform onnx"),
        (
            listed(entry("m", "/a", 'version_labels { key: "stable" value: 1 }')),
            "Request to assign label to version 1 of model m, which is not currently available for inference",
        ),
        ("model_config_list { config { nam", "is not the text of a ModelServerConfig: 1:"),
        ("custom_model_config {}", "custom_model_config; expected a model_config_list"),
    ],
)
def test_a_bad_configuration_is_an_error_at_once(tmp_path, text, message):
    file = tmp_path / "models.config"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        serve(config=file).start()
    assert message in str(error.value) and "\n" not in str(error.value)


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


def test_an_empty_configuration_serves_nothing_until_it_is_replaced(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "m" / "1")
    file = tmp_path / "models.config"
    file.touch()
    with serve(config=file) as server, Client(server.address) as client:
        assert refusal(times, client, label="stable") == ("UNAVAILABLE", "Model labels does not init yet.stable")
        assert refusal(times, client) == ("NOT_FOUND", "Servable not found for request: Latest(m)")
        reload(client, entry("m", tmp_path / "m"))
        assert times(client) == 1
        message = "Unrecognized servable version label: stable"
        assert refusal(times, client, label="stable") == ("INVALID_ARGUMENT", message)


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


def test_recorded_requests_come_first(saved, tmp_path, caplog):
    publish(saved / "times_1", tmp_path / "m" / "1")
    warmup(tmp_path / "m" / "1", *2 * [served.request("m", {"x": np.float32([1])})])
    with caplog.at_level(logging.INFO, "keras_style.serving"), serve(tmp_path, rest_port=0) as server:
        said = [record.getMessage() for record in caplog.records]
        warmed = said.index(f"{tmp_path}/m/1 answered 2 warm-up requests")
        ready = next(i for i, line in enumerate(said) if line.startswith("m version 1 is available"))
        assert warmed < ready < said.index(f"listening on {server.address}, without TLS")
        assert said[0].endswith("production uses TensorFlow Serving")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: warmup(path, served.request("m", {})), "INVALID_ARGUMENT: input size does not match signature"),
        (lambda path: warmup(path, session_run_log=b""), "UNIMPLEMENTED: Unsupported log_type for warmup: 5"),
        (lambda path: warmup(path, predict_log=b"\xff\xff"), "INVALID_ARGUMENT: Failed to parse warmup record"),
        (
            lambda path: warmup(path, *4 * [served.request("m", {"x": np.float32([1])})]),
            "INVALID_ARGUMENT: Number of warmup records exceeds the maximum (3)",
        ),
    ],
)
def test_a_recorded_request_that_fails_keeps_the_version_out(saved, tmp_path, monkeypatch, write, message):
    assert warmup_module._MOST == 1000
    monkeypatch.setattr(warmup_module, "_MOST", 3)  # sooner
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


# Policies, labels, reload


@pytest.fixture
def three(saved, tmp_path):
    """Versions 1, 2 and 3, each of which multiplies by its number."""
    for factor in (1, 2, 3):
        publish(saved / f"times_{factor}", tmp_path / "m" / str(factor))
    return tmp_path / "m"


def test_policies_labels_and_reload(three, saved, tmp_path):
    """As testModelConfigReload of TensorFlow Serving, and its tests of labels."""
    file = tmp_path / "models.config"
    file.write_text(listed(entry("m", three, "model_version_policy { specific { versions: 1 versions: 3 } }")))
    some = "model_version_policy { specific { versions: 1 versions: 2 } }"
    with serve(config=file) as server, Client(server.address) as client:
        wait_for(lambda: client.states("m") == {3: AVAILABLE, 1: AVAILABLE})
        assert (times(client), times(client, version=1)) == (3, 1)

        label = 'version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: %d }'
        said = "Request to assign label to version 2 of model m, which is not currently available for inference"
        assert refusal(reload, client, entry("m", three, some + label % 2)) == ("FAILED_PRECONDITION", said)
        assert client.states("m") == {3: AVAILABLE, 1: AVAILABLE}
        reload(client, entry("m", three, "model_version_policy { all {} }" + label % 3))
        wait_for(lambda: client.states("m") == {3: AVAILABLE, 2: AVAILABLE, 1: AVAILABLE})
        assert (times(client, label="stable"), times(client, label="canary")) == (1, 3)
        reload(client, entry("m", three, some + label % 2))
        wait_for(lambda: client.states("m") == {3: END, 2: AVAILABLE, 1: AVAILABLE})
        assert (times(client, label="stable"), times(client, label="canary"), times(client)) == (1, 2, 2)

        reload(client, entry("m", three, "model_version_policy { latest { num_versions: 2 } }" + label % 2))
        wait_for(lambda: client.states("m") == {3: AVAILABLE, 2: AVAILABLE, 1: END})
        message = "Servable not found for request: Specific(m, 1)"
        assert refusal(times, client, label="stable") == ("NOT_FOUND", message)  # the label goes on

        publish(saved / "times_2", tmp_path / "other" / "8")  # the whole set is replaced
        response = reload(
            client, entry("n", tmp_path / "other"), metrics=["/tensorflow/serving/request_count", "/none"]
        )
        assert response.HasField("status") and response.status.error_code == 0
        assert {each.name: each.int64_value_increase for each in response.metric} == {
            "/tensorflow/serving/request_count": 0,
            "/none": 0,
        }
        assert times(client, "n") == 2
        wait_for(lambda: client.states("m") == {3: END, 2: END, 1: END})
        assert refusal(times, client) == ("NOT_FOUND", "Servable not found for request: Latest(m)")
        reload(client, entry("m", three))  # and back: what ended earlier does not count
        assert times(client) == 3


def test_reload_refuses(three, saved, tmp_path):
    (tmp_path / "bad" / "4").mkdir(parents=True)
    with serve_one(three, tmp_path) as server, Client(server.address) as client:
        for entries, expected in (
            (
                [entry("m", three), entry("m", three)],
                ("INVALID_ARGUMENT", "Illegal to list model m multiple times in config list"),
            ),
            (
                [entry("m", "models/m")],
                (
                    "INVALID_ARGUMENT",
                    "Expected model m to have an absolute path or URI; got base_path()=models/m",
                ),
            ),
            (
                [entry("m", three, platform='model_platform: "onnx"')],
                (
                    "INVALID_ARGUMENT",
                    "Illegal to change a model's platform. For model m platform was tensorflow and new platform "
                    "requested is onnx",
                ),
            ),
            (
                [entry("m", three), entry("n", three, platform="")],
                (
                    "INVALID_ARGUMENT",
                    "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
                    "ModelServerConfig::model_platform, model name is n",
                ),
            ),
        ):
            assert refusal(reload, client, *entries) == expected
            assert times(client) == 3
        code, said = refusal(reload, client, entry("m", three), entry("bad", tmp_path / "bad"))
        assert code == "UNKNOWN"
        assert said.startswith(
            "1 model(s) did not become available: {{{name: bad version: 4} due to error: NOT_FOUND: "
        )
        assert said.endswith("}, }")
        assert times(client) == 3 and client.states("bad") == {4: END}


def serve_one(base, folder, **options) -> Server:
    file = folder / "one.config"
    file.write_text(listed(entry("m", base)))
    return serve(config=file, **options)


def test_the_file_is_read_again(three, saved, tmp_path):
    with serve_one(three, tmp_path, config_poll_seconds=SOON) as server, Client(server.address) as client:
        (tmp_path / "one.config").write_text("neither this { nor")
        time.sleep(4 * SOON)
        assert times(client) == 3
        (tmp_path / "one.config").write_text(listed(entry("again", three)))
        wait_for(lambda: available(client, "again") and client.states("m") == {3: END})
        assert times(client, "again") == 3


def test_labels_ahead_may_not_be_moved_to_what_is_not_served(three, tmp_path):
    """As `--allow_version_labels_for_unavailable_models`: only labels that are new."""
    label = 'version_labels { key: "stable" value: %d }'
    with serve_one(three, tmp_path, labels_ahead=True) as server, Client(server.address) as client:
        reload(client, entry("m", three, label % 1))
        message = "Servable not found for request: Specific(m, 1)"
        assert refusal(times, client, label="stable") == ("NOT_FOUND", message)
        said = "Request to assign label to version 2 of model m, which is not currently available for inference"
        assert refusal(reload, client, entry("m", three, label % 2)) == ("FAILED_PRECONDITION", said)
        reload(client, entry("m", three, label % 3))
        assert times(client, label="stable") == 3


def test_a_clients_list_counts_more_than_the_directory(three, saved, tmp_path):
    publish(saved / "times_1", tmp_path / "n" / "1")
    with serve(tmp_path) as server, Client(server.address) as client:
        reload(client, entry("n", tmp_path / "n"))
        wait_for(lambda: client.states("m") == {3: END})
        publish(saved / "times_1", tmp_path / "new" / "1")
        time.sleep(5 * SOON)
        assert client.states("m") == {3: END} and not available(client, "new") and available(client, "n")


# Under load


def bombard(server, folder, source, threads, requests, swaps) -> None:
    """Good requests from many threads and bad ones from another, while versions come and go."""
    trouble = []
    ended = threading.Event()

    def good(seed):
        with Client(server.address) as client:
            for number in range(requests // threads):
                x = np.random.default_rng([seed, number]).random(100, np.float32)
                try:
                    response = client.prediction.Predict(served.request("m", {"x": x}), 60)
                except grpc.RpcError as error:
                    trouble.append(error.details())
                    continue
                # Version v multiplies by 1, 2 or 3 in turn: a mixture of two versions would show.
                factor = (response.model_spec.version.value - 1) % 3 + 1
                if not np.array_equal(tf.make_ndarray(response.outputs["y"]), x * np.float32(factor)):
                    trouble.append(f"{response.model_spec.version.value} does not multiply by {factor}")

    def bad():
        with Client(server.address) as client:
            while not ended.is_set():
                code, _ = refusal(client.predict, "m", {"x": np.zeros((2, 2), np.float32)})
                code_too, _ = refusal(client.predict, "m", {"y": np.float64([1])})
                if (code, code_too) != ("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
                    trouble.append(f"bad input gets {code}, {code_too}")

    workers = [threading.Thread(target=good, args=[seed]) for seed in range(threads)]
    spoiler = threading.Thread(target=bad)
    for thread in (*workers, spoiler):
        thread.start()
    for version in swaps:
        publish(source / f"times_{(version - 1) % 3 + 1}", folder / "m" / str(version))
        with Client(server.address) as client:
            wait_for(lambda client=client, version=version: client.states("m").get(version) == AVAILABLE)
    for thread in workers:
        thread.join()
    ended.set()
    spoiler.join()
    assert not trouble


def test_a_swap_under_load_fails_no_request(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "m" / "1")
    with serve(tmp_path) as server:
        bombard(server, tmp_path, saved, threads=8, requests=400, swaps=range(2, 5))
        with Client(server.address) as client:
            wait_for(lambda: client.states("m") == {4: AVAILABLE, 3: END, 2: END, 1: END})


@pytest.mark.slow
def test_many_requests_and_swaps_leave_the_memory_flat(saved, tmp_path):
    publish(saved / "times_1", tmp_path / "m" / "1")
    with serve(tmp_path) as server:
        bombard(server, tmp_path, saved, threads=8, requests=2000, swaps=range(2, 6))  # everything is there once
        before = resident()
        bombard(server, tmp_path, saved, threads=8, requests=2000, swaps=range(6, 26))
        grown = resident() - before
    print(f"\nresident memory grew by {grown / 2**20:.1f} MiB over 20 versions")
    assert grown < 20 * 2**20


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
