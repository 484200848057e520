"""The embedded server under load and attack at once: no wrong answer, none lost, memory bounded, an end in time.

Eight clients send pictures of many sizes, and between them what hostile, impatient and silent clients send. Every
answer is compared with what Python made of that picture, by the weights of the version that answered.
"""

import collections
import contextlib
import itertools
import random
import re
import signal
import socket
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import picture_files as files
import pytest
from served import Client, process, publish, request, wait_for

import keras_style
from keras_style import errors
from keras_style.internal.tensorflow import tf
from keras_style.models.resnet_generator import ResNetGenerator
from keras_style.models.translation import translate
from keras_style.serving import StyleClient

pytestmark = pytest.mark.slow

CLIENTS, REQUESTS = 8, 2000
GRACE = 10
SIDES = (17, 24, 40, 64, 97, 128, 200, 256)
GIF = b"GIF89a\x01\0\x01\0\0\0\0" + b"\x21\xfe\0" * 60_000 + b";"
SMALL = files.encoded(files.pixels(16, 24), "PNG")
COMMENTS = files.encoded(files.pixels(16, 16), "JPEG")[:2] + b"\xff\xfe\0\x02" * 60_000 + b"\xff\xd9"


@pytest.fixture(scope="module")
def generators():
    return {number: ResNetGenerator(2, 8, seed=number) for number in (1, 2)}


@pytest.fixture
def models(generators, tmp_path):
    """Version 1 of m, and version 2 beside it, to be published."""
    for number, generator in generators.items():
        keras_style.export_saved_model(generator, tmp_path / "made", version=number, max_pixels=300 * 300)
    publish(tmp_path / "made" / "1", tmp_path / "models" / "m" / "1")
    return tmp_path


class Load:
    """What is sent, what came back, and what was wrong with it."""

    def __init__(self, address, rest_port, generators):
        self.address, self.rest_port = address, rest_port
        sizes = random.Random(0)
        self.pictures = [files.pixels(sizes.choice(SIDES), sizes.choice(SIDES), seed=seed) for seed in range(24)]
        self.files = [files.encoded(each, "PNG" if n % 2 else "BMP") for n, each in enumerate(self.pictures)]
        self.expected = {
            number: [translate(generator, each) for each in self.pictures] for number, generator in generators.items()
        }
        self.counts: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        self.numbers = itertools.count()
        self.silent: list[object] = []
        self.over = threading.Event()
        self.hostile = [
            self.garbage,
            self.other_shapes,
            self.huge_shapes,
            self.many_files,
            self.silence,
            self.cancelled,
            self.impatient,
            self.slow_scrape,
        ]

    def run(self, until):
        """Send until `until()` is true."""
        threads = [threading.Thread(target=self.client, args=(seed, until)) for seed in range(CLIENTS)]
        for thread in threads:
            thread.start()
        return threads

    def client(self, seed, until):
        chance = random.Random(seed)
        with StyleClient(self.address, "m") as client, Client(self.address) as raw:
            while not until():
                act = chance.choice(self.hostile) if chance.random() < 0.3 else self.right
                try:
                    act(client, raw, chance)
                except Exception as error:
                    if self.over.is_set():
                        self.counts[f"at the end: {type(error).__name__}"] += 1
                        return
                    self.wrong.append(f"{act.__name__}: {type(error).__name__}: {error}"[:300])

    def right(self, client, raw, chance):
        which = chance.randrange(len(self.pictures))
        kind = chance.randrange(3)
        sent = (self.files[which], self.pictures[which], self.pictures[which] / np.float32(255))[kind]
        answer = client.stylize(sent)
        self.compare(answer.array, answer.version, which, 1e-4 if kind == 2 else 0.51 / 255)
        self.counts[f"answers of version {answer.version}"] += 1

    def compare(self, array, version, which, allowed):
        expected = self.expected[version][which]
        if array.shape != expected.shape or np.abs(array - expected).max() > allowed + 1e-4:
            self.wrong.append(f"picture {which}, version {version}: another picture")

    def refused(self, act, *codes):
        """Called with what must be refused with one of the codes."""
        try:
            act()
        except (grpc.RpcError, errors.ServingError) as error:
            code = error.code if isinstance(error, errors.ServingError) else error.code().name
            self.counts[f"refused: {code}"] += 1
            if code not in codes:
                self.wrong.append(f"refused with {code}: {error}"[:300])
        else:
            self.wrong.append("it was not refused")

    def garbage(self, client, raw, chance):
        data = chance.choice(
            [
                b"GIF89a" + chance.randbytes(200),
                chance.randbytes(chance.choice([1, 1000, 300_000])),
                GIF,
                COMMENTS,
                files.png_header(50_000, 50_000),
                files.png_header(90_001, 1),
                files.jpeg_header(60_000, 60_000),
                files.bmp_header(8, -(2**31)),
                files.encoded(files.pixels(1, 90_001 // 8), "PNG"),
                self.files[1][: len(self.files[1]) // 2],
            ]
        )
        self.refused(lambda: client.stylize(data), "INVALID_ARGUMENT")

    def other_shapes(self, client, raw, chance):
        shape = chance.choice([(16, 16, 3), (1, 16, 16, 4), (0, 16, 16, 3), (1, 1, 40_000, 3), (6000, 1, 1, 3), ()])
        sent = {"image": np.zeros(shape, np.float32)}
        self.refused(lambda: raw.predict("m", sent), "INVALID_ARGUMENT")

    def huge_shapes(self, client, raw, chance):
        """One number, or one string, for all of a shape."""
        kind, signature, name = chance.choice(
            [(tf.float32, "serving_default", "image"), (tf.string, "serving_bytes", "image_bytes")]
        )
        proto = tf.make_tensor_proto([b""] if kind == tf.string else np.zeros(1, np.float32))
        proto.ClearField("tensor_shape")
        sides = chance.choice([[60_000, 60_000], [5000, 5000], [2**40, 2**40]])
        for side in sides if kind == tf.string else [1, *sides, 3]:
            proto.tensor_shape.dim.add(size=side)
        self.refused(lambda: raw.predict("m", {name: proto}, signature=signature), "INVALID_ARGUMENT")

    def many_files(self, client, raw, chance):
        sent = {"image_bytes": np.array([SMALL] * chance.choice([88, 4000]), object)}
        self.refused(lambda: raw.predict("m", sent, signature="serving_bytes"), "INVALID_ARGUMENT")

    def silence(self, client, raw, chance):
        """Calls that send nothing, and a connection that sends half a greeting; they are left as they are."""
        method = chance.choice(["PredictionService/Predict", "ModelService/GetModelStatus"])
        channel = grpc.insecure_channel(self.address, [("silent", next(self.numbers))])
        call = channel.stream_unary(f"/tensorflow.serving.{method}")
        host, port = self.address.split(":")
        connection = socket.create_connection((host, int(port)), 10)
        connection.sendall(b"PRI * HTTP/2.0\r\n")
        self.silent.append((channel, call.future(iter(self.over.wait, True)), connection))
        self.counts["silent"] += 1

    def cancelled(self, client, raw, chance):
        which = max(range(len(self.pictures)), key=lambda n: self.pictures[n].size)
        asked = request("m", {"image": self.pictures[which][None] / np.float32(255)})
        call = raw.prediction.Predict.future(asked, chance.choice([None, 60]))
        time.sleep(chance.random() * 0.2)
        call.cancel()
        self.counts["cancelled" if call.cancelled() else "too late to cancel"] += 1

    def impatient(self, client, raw, chance):
        with StyleClient(self.address, "m", deadline=chance.choice([0.002, 0.01, 0.03])) as hasty:
            try:
                self.right(hasty, raw, chance)
            except errors.DeadlineError:
                self.counts["deadline too short"] += 1

    def slow_scrape(self, client, raw, chance):
        connection = socket.create_connection(("127.0.0.1", self.rest_port), 10)
        connection.sendall(chance.choice([b"", b"GET /monitoring"]))
        self.silent.append(connection)
        self.counts["slow scrapes"] += 1

    def close(self):
        self.over.set()
        for each in self.silent:
            for part in each if isinstance(each, tuple) else (each,):
                if hasattr(part, "close"):
                    part.close()


class Memory:
    """Resident memory of a process, in MiB."""

    def __init__(self, pid):
        self._status = Path(f"/proc/{pid}/status")
        self.most = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def now(self):
        return int(re.search(r"VmRSS:\s+(\d+) kB", self._status.read_text())[1]) // 1024

    def _watch(self):
        with contextlib.suppress(OSError, TypeError):  # the process is gone
            while True:
                self.most = max(self.most, self.now())
                time.sleep(0.05)


def test_load_and_attack(models, generators):
    options = ["--rest-port", 0, "--max-waiting", 64, "--read-seconds", 2, "--grace-seconds", GRACE]
    with process(models / "models", *options) as (server, address, lines):
        (rest_port,) = (int(found[1]) for line in lines if (found := re.search(r"metrics on \S+:(\d+)/", line)))
        load = Load(address, rest_port, generators)
        memory = Memory(server.pid)
        for which in range(len(load.pictures)):  # every size once, so that what is kept for it is there
            with StyleClient(address, "m") as client:
                load.compare(client.stylize(load.pictures[which]).array, 1, which, 0.51 / 255)
        before, started = memory.now(), time.perf_counter()

        sent = itertools.count()
        threads = load.run(lambda: next(sent) >= REQUESTS // 2)
        for thread in threads:
            thread.join()
        publish(models / "made" / "2", models / "models" / "m" / "2")
        threads = load.run(lambda: next(sent) >= REQUESTS)
        for thread in threads:
            thread.join()
        seconds, after = time.perf_counter() - started, memory.now()
        print(f"\n{seconds:.0f} s, MiB before {before}, after {after}, at most {memory.most}", dict(load.counts))
        assert load.wrong == []
        assert load.counts["answers of version 1"] > 100 and load.counts["answers of version 2"] > 100
        assert memory.most < before + 500 and after < before + 300
        with StyleClient(address, "m") as client:
            wait_for(lambda: {each.version: each.state for each in client.status()} == {2: "AVAILABLE", 1: "END"})

        threads = load.run(load.over.is_set)
        time.sleep(2)
        load.over.set()
        server.send_signal(signal.SIGTERM)
        started = time.perf_counter()
        assert server.wait(GRACE + 10) == 0
        print(f"SIGTERM: {time.perf_counter() - started:.1f} s", "".join(lines[-3:]))
        for thread in threads:
            thread.join(60)
        load.close()
        assert load.wrong == []
        assert not [line for line in lines if "Traceback" in line]
