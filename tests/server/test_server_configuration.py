"""Configurations: files, policies, labels, and what a client may replace."""

import threading
import time

import pytest
from served import (
    AVAILABLE,
    END,
    SOON,
    Client,
    available,
    entry,
    listed,
    publish,
    refusal,
    reload,
    serve,
    times,
    wait_for,
)

from keras_style.errors import InputError
from keras_style.server import Server


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (listed(entry("m", "relative")), "Expected model m to have an absolute path or URI; got base_path()=relative"),
        (listed(entry("m", "/a"), entry("m", "/b")), "Illegal to list model m multiple times in config list"),
        *[
            (
                listed(entry("m", path)),
                f"Model m has base_path {path}; this server reads absolute paths and file:///PATH",
            )
            for path in ("s3://bucket/m", "gs://bucket/m", "http://example.org/m", "file://m", "://m", "FILE:///m")
        ],
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


def test_threads_of_models_that_went_away_are_gone(three, saved, tmp_path):
    """Names that come and go, and one that comes back."""
    with serve_one(three, tmp_path) as server, Client(server.address) as client:
        before = threads_of_models()
        for number in range(5):
            reload(client, entry(f"name{number}", three))
            assert times(client, f"name{number}") == 3
        reload(client, entry("m", three))
        assert times(client) == 3
        wait_for(lambda: threads_of_models() == before)
        assert client.states("name0") == {3: END}


def threads_of_models() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("versions of")}


def test_a_base_path_may_be_a_file_uri(three, tmp_path):
    for uri in (f"file://{three}", f"file://localhost{three}"):
        with serve_one(uri, tmp_path) as server, Client(server.address) as client:
            assert times(client) == 3
            code, said = refusal(reload, client, entry("m", three), entry("far", "s3://bucket/far"))
            assert (code, "base_path s3://bucket/far;" in said) == ("INVALID_ARGUMENT", True)
            assert times(client) == 3
