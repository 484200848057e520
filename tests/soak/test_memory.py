"""The memory of a process, in MiB, stays where it is, however many pictures the process makes."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from running import fresh_environment

import keras_style

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
PHOTOGRAPHS = sorted((EXAMPLES / "content").iterdir())
PAINTINGS = sorted((EXAMPLES / "style").iterdir())
SIZES = range(96, 260, 14)  # twelve
QUICK = {"steps": 2, "verbose": 0}


def resident() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def transfer(size: int, **options: object) -> Callable[[int], object]:
    return lambda number: keras_style.transfer(
        PHOTOGRAPHS[number % len(PHOTOGRAPHS)], PAINTINGS[number % len(PAINTINGS)], size=size, **QUICK, **options
    )


def stylizer() -> Callable[[int], object]:
    one = keras_style.Stylizer(size=96, steps=2)
    return lambda number: one(PHOTOGRAPHS[number % len(PHOTOGRAPHS)], PAINTINGS[0], verbose=0)


def texture() -> Callable[[int], object]:
    exemplar = next((EXAMPLES / "texture").glob("*.png"))
    return lambda number: keras_style.synthesize_texture(exemplar, 64, seed=number, **QUICK)


def fifty_sizes() -> Callable[[int], object]:
    """Fifty sizes in turn, more than graphs are kept, so that every picture is traced anew."""
    return lambda number: transfer(64 + number % 50)(0)


def model() -> Callable[[int], object]:
    return lambda number: keras_style.transfer(PHOTOGRAPHS[number % 2], model="satellite_to_relief", size=128)


def fit_and_translate() -> Callable[[int], object]:
    gan = keras_style.models.CycleGAN(generator="resnet_6", filters=4)
    gan.compile()
    noise = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
    data = keras_style.data.unpaired(noise, noise[::-1], image_size=32, seed=0)

    def call(number: int) -> None:
        gan.fit(data, epochs=1, verbose=0)
        gan.translate(noise[0], direction="a2b")

    return call


def batch_worker() -> Callable[[int], object]:
    """What a worker of a batch does with each picture."""
    from keras_style.batch.work import bound

    paint = bound(keras_style.Stylizer(size=96, steps=2), "a2b", [PAINTINGS[0]]).open()
    return lambda number: paint(keras_style.images.load(PHOTOGRAPHS[number % len(PHOTOGRAPHS)]))


def server() -> Callable[[int], object]:
    """A method behind the embedded server, which runs in this process."""
    folder = tempfile.mkdtemp()
    one = keras_style.Stylizer(method="gatys", size=64, steps=2)
    keras_style.export_saved_model(one, f"{folder}/gatys")
    running = keras_style.server.Server(folder, port=0).start()
    client = keras_style.serving.StyleClient(running.address, model="gatys", deadline=120)

    def call(number: int) -> None:
        assert running.address  # it ends with its last reference
        client.stylize(PHOTOGRAPHS[number % len(PHOTOGRAPHS)], PAINTINGS[0])

    return call


def twelve_sizes() -> Callable[[int], object]:
    """Three methods in turn at each size."""
    methods = ("gatys", "moments", "sliced_wasserstein")
    return lambda number: transfer(SIZES[number // 3 % 12], method=methods[number % 3])(number // 36)


MANY = {"twelve sizes": twelve_sizes, "fifty sizes": fifty_sizes, "large": lambda: transfer(512)}
CASES = {
    **MANY,
    "transfer 64": lambda: transfer(64),
    "transfer 192": lambda: transfer(192),
    "lbfgs": lambda: transfer(96, optimizer="lbfgs"),
    "tiles": lambda: transfer(192, tile=128, content_layers=["block2_conv2"], style_layers=["block1_conv1"]),
    **{method: (lambda method=method: transfer(96, method=method)) for method in keras_style.methods()},
    "stylizer": stylizer,
    "texture": texture,
    "model": model,
    "fit and translate": fit_and_translate,
    "batch worker": batch_worker,
    "server": server,
}


def measure(case: str, calls: int, marks: list[int]) -> None:
    """Print the memory after each of `marks` calls."""
    call = CASES[case]()
    for number in range(calls):
        call(number)
        if number + 1 in marks:
            print(round(resident()))


def measured(case: str, calls: int, marks: list[int]) -> list[int]:
    """The same of a process of its own."""
    script = f"import test_memory; test_memory.measure({case!r}, {calls}, {marks})"
    line = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {script}"]
    finished = subprocess.run(line, env=fresh_environment(), capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    found = [int(line) for line in finished.stdout.split()]
    print(f"{case}: {found} MiB after {marks} calls")
    return found


@pytest.mark.parametrize("case", [case for case in CASES if case not in MANY])
def test_call_25_takes_what_call_5_took(case):
    early, late = measured(case, 25, [5, 25])
    assert late <= early + 100


@pytest.mark.parametrize(
    ("case", "calls", "first"), [("twelve sizes", 500, 36), ("fifty sizes", 150, 50), ("large", 50, 4)]
)
def test_many_pictures_take_what_the_first_of_each_size_took(case, calls, first):
    early, *_, late = measured(case, calls, [first, *range(2 * first, calls, first), calls])
    assert late <= early + 300
