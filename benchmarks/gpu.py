"""What a GPU does with the package: how exact it is, seconds and memory of a step, seconds of whole pictures.

    python benchmarks/gpu.py [--out FILE]

agreement: losses and gradient of the step that benchmarks/step.py times, at 256 px, in float32, with TensorFloat-32
(which TensorFlow has on by itself), and with the network in bfloat16, each against float64 on the processor.
steps: seconds of that step and the most memory of the card it took, by size and arithmetic, as it is and compiled.
transfers: a photograph painted by the defaults with each optimizer and arithmetic: seconds of the second run, losses.
cyclegan: seconds of a training step at 256 px, as it is and compiled by XLA, in float32 and in half precision.
translations: seconds of a picture through the published generator, as it is and compiled.
torch: the same step by PyTorch, channels_last, on the same card, if PyTorch is there; in a process of its own.

Each row that fails says why in its place. Writes benchmarks/gpu.json, and the pictures into outputs/gpu/.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cyclegan
import numpy as np
import step as step_benchmark

ROOT = Path(__file__).parents[1]
ARITHMETICS = ("float32", "tensor_float_32", "bfloat16")
PAIR = ("neuschwanstein_castle.jpg", "vangogh_cafe_terrace_at_night.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024, 2048], help="of the steps, in pixels")
    parser.add_argument("--compiled", type=int, nargs="*", default=[512], help="of these, which XLA compiles, too")
    parser.add_argument(
        "--pictures", type=int, nargs="+", default=[512, 1024], help="sizes of the transfers, in pixels"
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--torch", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.torch:
        print(json.dumps(dict(torch_steps(given))))
        return
    report: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    report |= {"processor": card(), "rounds": given.rounds}
    for part in given.parts:
        report[part] = {}
        for name, row in PARTS[part](given):
            report[part][name] = row
            given.out.write_text(json.dumps(report, indent=2) + "\n")  # a card is often lent by the minute
            print(f"{part}, {name}: {row}", flush=True)


Rows = Iterator[tuple[Any, Any]]


def card() -> str:
    from keras_style.internal.tensorflow import tf

    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        sys.exit("TensorFlow sees no GPU; expected one, and tensorflow[and-cuda]")
    return tf.config.experimental.get_device_details(devices[0])["device_name"]


def machine(_: Any) -> Rows:
    from keras_style.internal.tensorflow import keras, tf

    yield "versions", {"tensorflow": tf.__version__, "keras": keras.__version__}
    yield "build", {key: value for key, value in tf.sysconfig.get_build_info().items() if isinstance(value, str)}


def attempt(measure: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    try:
        return measure(*arguments)
    except Exception as error:  # a row of the report, whatever it is
        return {"failed": f"{type(error).__name__}: {str(error).strip()[:300]}"}


@contextmanager
def arithmetic(name: str) -> Iterator[Any]:
    """A backbone, and TensorFlow, that compute so."""
    from keras_style import backbones
    from keras_style.internal.tensorflow import tf

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(name == "tensor_float_32")
    try:
        yield backbones.get("vgg16_imagenet", precision="mixed_bfloat16" if name == "bfloat16" else "float32")
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def evaluation(backbone: Any, size: int, compiled: bool = False, dtype: str = "float32") -> Callable[[], Any]:
    """The step of benchmarks/step.py: losses and gradient of its objective at its image."""
    from keras_style import Objective, Term, losses
    from keras_style.internal.tensorflow import tf
    from keras_style.optimize.gradient import losses_and_gradient
    from keras_style.optimize.targets import Targets

    content, style, image = (x.astype(dtype) for x in step_benchmark.pictures(size))
    terms = [Term(losses.GramLoss("paper"), layer, 1.0, "style") for layer in step_benchmark.STYLE]
    objective = Objective([*terms, Term(losses.ContentLoss("mean"), step_benchmark.CONTENT, 1.0, "content")])
    bound = objective.bind(backbone, Targets(content, [style]))
    at, number = tf.constant(image), tf.constant(1, tf.int64)
    if not compiled:
        evaluate = losses_and_gradient(bound, image.shape, image.dtype)
        return lambda: evaluate(at, number)

    @tf.function(jit_compile=True, autograph=False)
    def by_xla(images: tf.Tensor, step: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(images)
            values = bound(images, step)
            total = tf.add_n(list(values.values()))
        return values, tape.gradient(total, images)

    return lambda: by_xla(at, number)


def agreement(_: Any) -> Rows:
    """Relative errors of the total loss, of the worst term and of the gradient."""
    from keras_style import backbones
    from keras_style.internal.tensorflow import tf

    with tf.device("/CPU:0"):
        values, gradient = evaluation(backbones.get("vgg16_imagenet"), 256, dtype="float64")()
    exact, slope = {name: float(value) for name, value in values.items()}, gradient.numpy()

    def errors(name: str) -> dict[str, float]:
        with arithmetic(name) as backbone:
            values, gradient = evaluation(backbone, 256)()
            found = {name: float(value) for name, value in values.items()}
        return {
            "total": abs(sum(found.values()) / sum(exact.values()) - 1),
            "worst_term": max(abs(found[name] / exact[name] - 1) for name in exact),
            "gradient": float(np.linalg.norm(gradient.numpy() - slope) / np.linalg.norm(slope)),
        }

    for name in ARITHMETICS:
        yield name, attempt(errors, name)


def steps(given: argparse.Namespace) -> Rows:
    from keras_style.internal.tensorflow import tf

    def timed(name: str, size: int, compiled: bool) -> dict[str, Any]:
        with arithmetic(name) as backbone:
            evaluate = evaluation(backbone, size, compiled)
            found = timed_calls(lambda: evaluate()[1].numpy(), given.rounds, tf)
            return found | {"peak_gb": round(tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e9, 3)}

    for size in given.sizes:
        for name in ARITHMETICS:
            for compiled in (False, True)[: 1 + (size in given.compiled)]:
                yield f"{size} {name}{' xla' if compiled else ''}", attempt(timed, name, size, compiled)


def timed_calls(call: Callable[[], Any], rounds: int, tf: Any) -> dict[str, float]:
    """Seconds of the first call, which traces and compiles, and the median of those after the second."""
    first = seconds_of(call)
    call()
    tf.config.experimental.reset_memory_stats("GPU:0")
    seconds = [seconds_of(call) for _ in range(rounds)]
    return {"median_seconds": round(statistics.median(seconds), 5), "first_seconds": round(first, 2)}


def seconds_of(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def transfers(given: argparse.Namespace) -> Rows:
    import keras_style

    photograph, painting = ROOT / "examples/content" / PAIR[0], ROOT / "examples/style" / PAIR[1]

    def paint(optimizer: str, name: str, size: int) -> dict[str, Any]:
        with arithmetic(name) as backbone:
            seconds = []
            for _ in range(2):
                began = time.perf_counter()
                result = keras_style.transfer(
                    photograph, painting, size=size, optimizer=optimizer, backbone=backbone, verbose=0
                )
                seconds.append(round(time.perf_counter() - began, 2))
        folder = ROOT / "outputs" / "gpu"
        folder.mkdir(parents=True, exist_ok=True)
        result.save(folder / f"{optimizer}_{name}_{size}.png")
        return {"seconds": seconds[1], "first_seconds": seconds[0], "loss": result.history["loss"][-1]}

    for size in given.pictures:
        for optimizer in ("lbfgs", "adam"):
            for name in ARITHMETICS:
                yield f"{size} {optimizer} {name}", attempt(paint, optimizer, name, size)


def cyclegan_steps(given: argparse.Namespace) -> Rows:
    from keras_style.internal.tensorflow import tf
    from keras_style.models.cyclegan import CycleGAN

    def timed(policy: str, compiled: bool, batch: int) -> dict[str, Any]:
        gan = CycleGAN("resnet_9", 64, dtype=policy)
        gan.compile(jit_compile=compiled)
        pair = tuple(np.repeat(picture[None] * 2 - 1, batch, 0) for picture in cyclegan.pictures(256, 256))
        data = tf.data.Dataset.from_tensors(pair).repeat()
        first = seconds_of(lambda: gan.fit(data, steps_per_epoch=1, verbose=0))  # traces, compiles, and makes the pools
        steps = iter(data)

        def train() -> list[float]:
            return [float(value) for value in gan.train_function(steps).values()]

        found = timed_calls(train, given.rounds, tf) | {"first_seconds": round(first, 2)}
        return found | {"finite": bool(np.isfinite(train()).all())}

    contenders = (
        ("float32", False, 1),
        ("float32", True, 1),
        ("mixed_bfloat16", False, 1),
        ("mixed_bfloat16", True, 1),
        ("mixed_float16", True, 1),
        ("mixed_bfloat16", True, 8),
    )
    for policy, compiled, batch in contenders:
        yield f"{policy}{' xla' if compiled else ''}, batch {batch}", attempt(timed, policy, compiled, batch)


def translations(given: argparse.Namespace) -> Rows:
    from keras_style.internal.tensorflow import tf
    from keras_style.models import ResNetGenerator, translate

    generator = ResNetGenerator(seed=0)

    def timed(size: int, compiled: bool) -> dict[str, Any]:
        picture = np.random.default_rng(0).random((size, size, 3), np.float32)
        return timed_calls(lambda: translate(generator, picture, jit_compile=compiled), given.rounds, tf)

    for size in (256, 1024):
        for compiled in (False, True):
            yield f"{size}{' xla' if compiled else ''}", attempt(timed, size, compiled)


def torch_in_a_process(given: argparse.Namespace) -> Rows:
    line = [sys.executable, __file__, "--torch", "--rounds", str(given.rounds)]
    answer = subprocess.run([*line, "--sizes", *map(str, given.sizes)], capture_output=True, text=True, check=False)
    yield from json.loads(answer.stdout).items() if not answer.returncode else [("failed", answer.stderr[-500:])]


def torch_steps(given: argparse.Namespace) -> Rows:
    import torch

    torch.set_default_device("cuda")
    yield "versions", {"torch": torch.__version__, "device": torch.cuda.get_device_name()}

    def timed(size: int, allowed: bool) -> dict[str, Any]:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
        evaluate = step_benchmark.torch_step(size, channels_last=True)
        evaluate(), evaluate()
        torch.cuda.reset_peak_memory_stats()
        median = statistics.median(seconds_of(evaluate) for _ in range(given.rounds))  # each waits for its loss
        return {
            "median_seconds": round(median, 5),
            "peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 3),
        }

    for size in given.sizes:
        for name in ARITHMETICS[:2]:
            yield f"{size} {name}", attempt(timed, size, name == "tensor_float_32")


PARTS: dict[str, Callable[[argparse.Namespace], Rows]] = {
    "machine": machine,
    "agreement": agreement,
    "steps": steps,
    "torch": torch_in_a_process,
    "cyclegan": cyclegan_steps,
    "translations": translations,
    "transfers": transfers,
}


if __name__ == "__main__":
    main()
