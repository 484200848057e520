"""Several machines: two processes on loopback train as one does."""

import contextlib
import json
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from gans import images, kernels, tiny
from running import fresh_environment

from keras_style import data
from keras_style.internal.tensorflow import keras

pytestmark = pytest.mark.integration

BATCH, EPOCHS = 2, 2

WORKER = """
import json, os, sys
import keras_style
import tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else starts TensorFlow's runtime

from keras_style.errors import InputError
from keras_style.training import Resume
sys.path[:0] = ["tests", "tests/training"]
from gans import kernels, pairs, tiny
from test_multi_worker import CASES, EPOCHS, optimizers, source

folder, result = sys.argv[1:]
trained = {}
for name, (kind, pool_size, broken) in CASES.items():
    more = {"callbacks": [Resume(os.path.join(folder, name))], "validation_data": source(1)} if broken else {}
    for epochs in (1, EPOCHS) if broken else (EPOCHS,):  # the second goes on where the first ended
        with strategy.scope():
            gan = tiny(seed=1, pool_size=pool_size)
            gan.compile(**optimizers(kind))
        assert strategy.num_replicas_in_sync == 2
        history = gan.fit(source(0), epochs=epochs, verbose=0, **more).history
    trained[name] = [[each.tolist() for each in kernels(gan)], history]
try:
    gan.fit(pairs(4, 2, 16).map(lambda a, b: (a, b[:, :2])))
except InputError as error:
    trained["refusal"] = str(error)
with open(result + ".part", "w") as file:
    json.dump(trained, file)
os.rename(result + ".part", result)
"""

# Optimizer, size of the pools, and whether the training is broken off and taken up again (with validation, besides).
CASES = {"sgd": ("SGD", 0, False), "adam": ("Adam", 0, False), "resumed": ("SGD", 3, True)}


def optimizers(kind):
    make = {"SGD": lambda: keras.optimizers.SGD(0.02), "Adam": lambda: keras.optimizers.Adam(2e-3, beta_1=0.5)}[kind]
    return {"generator_optimizer": make(), "discriminator_optimizer": make()}


def source(seed):
    pictures = images(6, 1, 16) / 2 + 0.5, images(5, 2, 16) / 2 + 0.5
    return data.unpaired(*pictures, image_size=16, load_size=20, batch_size=BATCH, seed=seed)


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """What each of two processes ends with. One that fails leaves the other waiting, so both are killed in the end."""
    folder = tmp_path_factory.mktemp("workers")
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    logs, results = ([folder / f"worker_{index}.{kind}" for index in range(2)] for kind in ("log", "json"))
    running = []
    try:
        for index, (log, result) in enumerate(zip(logs, results, strict=True)):
            place = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment = fresh_environment(TF_CONFIG=json.dumps(place), CUDA_VISIBLE_DEVICES="-1")
            line = [sys.executable, "-c", WORKER, str(folder), str(result)]
            with log.open("w") as file:
                running.append(subprocess.Popen(line, env=environment, stdout=file, stderr=subprocess.STDOUT))
        deadline = time.monotonic() + 600  # half a minute where the processors are free
        while time.monotonic() < deadline and not all(result.exists() for result in results):
            if any(process.poll() for process in running):
                break
            time.sleep(0.2)
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert all(result.exists() for result in results), "\n\n".join(log.read_text()[-3000:] for log in logs)
    return [json.loads(result.read_text()) for result in results]


@pytest.mark.parametrize("name", CASES)
def test_two_workers_end_with_the_weights_of_one(workers, name):
    kind, pool_size, broken = CASES[name]
    gan = tiny(seed=1, pool_size=pool_size)
    gan.compile(**optimizers(kind))
    before = kernels(gan)
    validation = {"validation_data": source(1)} if broken else {}
    history = gan.fit(source(0), epochs=EPOCHS, verbose=0, **validation).history
    for weights, losses in (worker[name] for worker in workers):
        for alone, together, start in zip(kernels(gan), weights, before, strict=True):
            np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
            assert np.abs(alone - start).max() > 1e-3
        for loss, values in history.items():
            assert losses[loss] == pytest.approx(values, rel=1e-5)


def test_images_of_two_sizes_are_refused(workers):
    for worker in workers:
        assert "expected a tf.data.Dataset of pairs" in worker["refusal"]
