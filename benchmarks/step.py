"""Seconds per optimization step, side by side with the same network and losses in PyTorch and in plain TensorFlow.

    make benchmark

A step is the loss and its gradient with respect to the image: VGG16 (max pooling) to block5_conv1, Gram losses on five
layers, a content loss on block4_conv2. Every contender runs in a process of its own; in each round each of them takes
one step, in turn, while the others wait, so that a machine that speeds up or slows down does so for all. In the same
rounds TensorFlow and PyTorch multiply two matrices of 2048 x 2048 float32 numbers: the faster of them says what the
machine can do, and the step's counted operations (benchmarks/flops.py) over its time say how much of that it gets.
Prints medians and ratios, and writes benchmarks/step.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import flops
import workers
from workers import ask, processor

STYLE = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1")
CONTENT = "block4_conv2"
CONTENDERS = {
    "keras_style": "Winograd's filtering, oneDNN",
    "keras_style_bfloat16": "precision mixed_bfloat16, oneDNN",
    "plain_tensorflow": "weights as variables, TF_ENABLE_ONEDNN_OPTS=0",
    "torch_nchw": "PyTorch, NCHW, as the peers run it",
    "torch_channels_last": "PyTorch, channels_last",
}
MULTIPLYING = ("keras_style", "torch_nchw")
SIDE = 2048  # of the matrices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512], help="sides of the square images")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--worker", choices=CONTENDERS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        serve(given.worker)
        return
    report = {"processor": processor(), "cores": len(os.sched_getaffinity(0)), "rounds": given.rounds}
    report |= {"load_before": round(os.getloadavg()[0], 2), "sizes": {}}
    report |= {"gflop": {}, "gflop_as_computed": {}, "matrix_product_gflops": {}}
    for size in given.sizes:
        seconds, products = race(size, given.rounds)
        medians = {name: statistics.median(times) for name, times in seconds.items()}
        ours = medians["keras_style"]
        rates = {name: 2 * SIDE**3 / statistics.median(times) / 1e9 for name, times in products.items()}
        counted, computed = (
            flops.of_step(size, size, STYLE[-1], STYLE, convolution) / 1e9
            for convolution in (flops.direct, flops.as_computed)
        )
        report["sizes"][size] = {
            name: {
                "median_seconds": round(median, 4),
                "best_seconds": round(min(seconds[name]), 4),
                "keras_style_over_this": round(ours / median, 3),
                "share_of_matrix_product_rate": round(counted / median / max(rates.values()), 3),
            }
            for name, median in medians.items()
        }
        report["gflop"][size] = round(counted, 2)
        report["gflop_as_computed"][size] = round(computed, 2)
        report["matrix_product_gflops"][size] = {name: round(rate, 1) for name, rate in rates.items()}
        print(f"\n{size} x {size}: {counted:.0f} GFLOP a step; matrix products at {max(rates.values()):.0f} GFLOP/s")
        for name, row in report["sizes"][size].items():
            best, ratio = row["best_seconds"], row["keras_style_over_this"]
            print(f"  {name:20s} {medians[name]:7.3f} s (best {best:.3f})   keras_style / this = {ratio:.3f}", end="")
            print(f"   {row['share_of_matrix_product_rate']:.0%}")
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(report, indent=2) + "\n")


def race(size: int, rounds: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Times of each contender's steps and matrix products, interleaved."""
    running = {name: start(name) for name in CONTENDERS}
    try:
        seconds: dict[str, list[float]] = {name: [] for name in running}
        products: dict[str, list[float]] = {name: [] for name in MULTIPLYING}
        losses = {name: ask(worker, f"prepare {size}") for name, worker in running.items()}
        check(losses)
        for _ in range(rounds):
            for name, worker in running.items():
                seconds[name].append(ask(worker, "step"))
                if name in products:
                    products[name].append(ask(worker, "product"))
        return seconds, products
    finally:
        for worker in running.values():
            worker.kill()


def check(losses: dict[str, float]) -> None:
    """All contenders must compute the same thing, but for bfloat16's seven bits."""
    reference = losses["torch_nchw"]
    for name, loss in losses.items():
        tolerance = 1e-2 if name == "keras_style_bfloat16" else 1e-3
        if abs(loss - reference) > tolerance * abs(reference):
            sys.exit(f"{name} computes {loss}, PyTorch {reference}: the race would be unfair")


def start(name: str) -> subprocess.Popen:
    return workers.start(__file__, name, TF_ENABLE_ONEDNN_OPTS="0" if name == "plain_tensorflow" else "1")


def serve(name: str) -> None:
    """Answer requests on standard input: `prepare SIZE` with the loss, `step` and `product` with their seconds."""
    build = {
        "keras_style": lambda size: ours(size, "float32"),
        "keras_style_bfloat16": lambda size: ours(size, "mixed_bfloat16"),
        "plain_tensorflow": plain_tensorflow,
        "torch_nchw": lambda size: torch_step(size, channels_last=False),
        "torch_channels_last": lambda size: torch_step(size, channels_last=True),
    }[name]
    for line in sys.stdin:
        request, *values = line.split()
        if request == "prepare":
            step = build(int(values[0]))
            step()
            print(step(), flush=True)
            if name in MULTIPLYING:
                product = tensorflow_product() if name == "keras_style" else torch_product()
                product()
        else:
            started = time.perf_counter()
            if request == "product":
                product()
            else:
                step()
            print(time.perf_counter() - started, flush=True)


def pictures(size: int):
    """Three images (1, size, size, 3) in [0, 1], the same for everyone: content, style and where the step is taken."""
    import numpy as np

    random = np.random.default_rng(0)
    ramps = np.stack(np.meshgrid(*[np.linspace(0, 1, size)] * 2), -1)[..., [0, 1, 0]]
    content, style = ramps, ramps[::-1] ** 2
    image = 0.5 * content + 0.5 * random.random((size, size, 3))
    return [x[None].astype(np.float32) for x in (content, style, image)]


def ours(size: int, precision: str):
    from keras_style import Objective, Term, backbones, losses
    from keras_style.internal.tensorflow import tf
    from keras_style.optimize.gradient import losses_and_gradient
    from keras_style.optimize.targets import Targets

    content, style, image = pictures(size)
    terms = [Term(losses.GramLoss("paper"), layer, 1.0, "style") for layer in STYLE]
    objective = Objective([*terms, Term(losses.ContentLoss("mean"), CONTENT, 1.0, "content")])
    loss_terms = objective.bind(backbones.get("vgg16_imagenet", precision=precision), Targets(content, [style]))

    evaluate = losses_and_gradient(loss_terms, image.shape, image.dtype)
    at, number = tf.constant(image), tf.constant(1, tf.int64)
    return lambda: float(sum(evaluate(at, number)[0].values()))


def tensorflow_product():
    """A product of two matrices, computed where and as `ours` computes."""
    from keras_style.internal.tensorflow import tf

    multiply = tf.function(lambda a, b: tf.matmul(a, b), autograph=False)
    a, b = tf.unstack(tf.random.stateless_normal([2, SIDE, SIDE], [0, 0]))
    return lambda: multiply(a, b).numpy()[0, 0]


def torch_product():
    import torch

    a, b = torch.randn(2, SIDE, SIDE)
    return lambda: float((a @ b)[0, 0])


def plain_tensorflow(size: int):
    """The loop that a Keras user writes first: a Keras model, its weights variables, its input a variable."""
    import keras
    import tensorflow as tf

    from keras_style.backbones import weights

    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(size, size, 3))
    for name, arrays in weights.load("vgg16_imagenet").items():
        model.get_layer(name).set_weights(list(arrays))
    model = keras.Model(model.input, {name: model.get_layer(name).output for name in (*STYLE, CONTENT)})
    model.trainable = False
    content, style, image = (keras.applications.vgg16.preprocess_input(x * 255.0) for x in pictures(size))

    def gram(features):
        vectors = tf.reshape(features, [-1, features.shape[-1]])
        return tf.matmul(vectors, vectors, transpose_a=True) / tf.cast(tf.shape(vectors)[0], tf.float32)

    targets = {name: gram(features) for name, features in model(style).items()}
    target = model(content)[CONTENT]
    variable = tf.Variable(image)

    @tf.function
    def evaluate():
        with tf.GradientTape() as tape:
            features = model(variable)
            total = tf.reduce_mean((features[CONTENT] - target) ** 2)
            for name in STYLE:
                total += tf.reduce_sum((gram(features[name]) - targets[name]) ** 2) / (
                    4 * features[name].shape[-1] ** 2
                )
        return total, tape.gradient(total, variable)

    return lambda: float(evaluate()[0])


def torch_step(size: int, channels_last: bool):
    import torch

    from keras_style.backbones import weights

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    kernels = {
        name: (torch.tensor(kernel.transpose(3, 2, 0, 1).copy()).to(memory_format=layout), torch.tensor(bias))
        for name, (kernel, bias) in weights.load("vgg16_imagenet").items()
    }
    mean = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)

    def forward(x):
        x = x.flip(1) * 255 - mean
        features, block = {}, "1"
        for name, (kernel, bias) in kernels.items():
            if name[5] != block:
                block = name[5]
                x = torch.nn.functional.max_pool2d(x, 2)
            x = torch.relu_(torch.nn.functional.conv2d(x, kernel, bias, padding=1))
            if name in (*STYLE, CONTENT):
                features[name] = x
            if name == STYLE[-1]:
                return features
        raise AssertionError

    def gram(features):
        vectors = features.flatten(2)[0]
        return vectors @ vectors.T / vectors.shape[1]

    content, style, image = (
        torch.tensor(x.transpose(0, 3, 1, 2).copy()).to(memory_format=layout) for x in pictures(size)
    )
    with torch.no_grad():
        targets = {name: gram(features) for name, features in forward(style).items()}
        target = forward(content)[CONTENT]
    image.requires_grad_()

    def evaluate():
        image.grad = None
        features = forward(image)
        total = ((features[CONTENT] - target) ** 2).mean()
        for name in STYLE:
            total = total + ((gram(features[name]) - targets[name]) ** 2).sum() / (4 * features[name].shape[1] ** 2)
        total.backward()
        return float(total)

    return evaluate


if __name__ == "__main__":
    main()
