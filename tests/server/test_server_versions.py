"""Versions on disk as the server takes them up: new, broken, withdrawn, and swapped under load."""

import gc
import os
import shutil
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import served
from served import (
    AVAILABLE,
    END,
    LOADING,
    SOON,
    UNLOADING,
    Client,
    available,
    publish,
    refusal,
    serve,
    times,
    wait_for,
)

from keras_style.errors import InputError
from keras_style.internal.tensorflow import tf


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
        running = client.prediction.Predict.future(served.request("m", {"file": str(tmp_path / "end")}, "held"), 60)
        time.sleep(0.3)
        publish(saved / "times_2", tmp_path / "m" / "2")
        wait_for(lambda: client.states("m")[1] == UNLOADING)  # version 2 is served already
        assert times(client) == 2 and not running.done()
        (tmp_path / "end").touch()
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
def test_a_broken_version_ends_with_its_error_and_the_old_one_stays(saved, tmp_path, caplog, damage, code):
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
        failed = [each for each in caplog.records if each.getMessage().startswith("m version 2 cannot be loaded: ")]
        assert len(failed) == 2  # it is tried again once
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
