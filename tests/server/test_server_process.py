"""`keras-style serve` in a process of its own: signals, health, hostile bytes, settings of threads."""

import re
import signal
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import served
from google.protobuf import text_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import Client, process, publish, refusal, request

from keras_style.internal.tensorflow import tf

pytestmark = pytest.mark.integration

PREDICT = "/tensorflow.serving.PredictionService/Predict"


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


def test_a_message_beyond_the_limit_is_refused(client):
    assert outcome(client, b"\0" * (4 * 2**20 + 1)) == "RESOURCE_EXHAUSTED"


def test_compressed_zeros_do_not_fill_the_memory(running):
    """A message beyond the limit once it is unpacked is not unpacked."""
    status = Path(f"/proc/{running[0].pid}/status")
    Path(f"/proc/{running[0].pid}/clear_refs").write_text("5")  # the peak is counted from now on
    before = int(re.search(r"VmRSS:\s+(\d+) kB", status.read_text())[1])
    with Client(running[1]) as client:
        call = client.channel.unary_unary(PREDICT)
        with pytest.raises(grpc.RpcError) as refused:
            call(b"\0" * 2**26, 60, compression=grpc.Compression.Gzip)
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1])
    assert peak - before < 40_000  # 64 MiB would be 65,536


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
    # One within operations, one between those of the version, and one that cancels; five by default on two cores.
    assert sum(name.startswith("tf_Compute") for name in names) == 3, names


def test_the_log_says_what_production_uses(running):
    assert "production uses TensorFlow Serving" in running[2][0]
    assert any(re.search(r"many version 1 is available after [\d.]+ s$", line) for line in running[2])


# The end


def check_end(server, address, lines, number, file):
    with Client(address) as client:
        watch = health_pb2_grpc.HealthStub(client.channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        begun = client.prediction.Predict.future(request("many", {"file": str(file)}, "held"), 60)
        time.sleep(0.5)
        server.send_signal(number)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        time.sleep(0.3)
        assert refusal(client.states, "many")[0] == "UNAVAILABLE"
        assert not begun.done()
        file.touch()
        assert begun.result().model_spec.version.value == 1
    assert server.wait(30) == 0
    assert not [line for line in lines if "Traceback" in line]
    assert [line for line in lines if "no longer listens" in line]


@pytest.mark.slow
def test_ctrl_c_lets_requests_end_and_takes_no_more(models, tmp_path):
    with process(models, "--health") as running:
        check_end(*running, signal.SIGINT, tmp_path / "end")


def test_sigterm_lets_requests_end_and_takes_no_more(running, tmp_path):
    """The last test: the others have the same process."""
    check_end(*running, signal.SIGTERM, tmp_path / "end")
