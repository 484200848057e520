"""Verification: an exported graph, without Keras, must answer what Keras answers."""

import dataclasses
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_style import images
from keras_style.errors import ExportError, InputError, MissingFileError
from keras_style.export.exportable import least_steps, open_source
from keras_style.images import ImageLike
from keras_style.internal.paths import user_path

RUNNER = Path(__file__).with_name("session_runner.py")
LEVEL = 1 / 255
# Largest differences of values in [0, 1]. An optimization multiplies the last digits with every step.
TOLERANCE = {"generator": 1e-5, "painter": 1e-5, "stylizer": 1e-4}
JPEG_TOLERANCE = LEVEL  # of the mean: a level more before the encoder can be several in single pixels after it
STEPS = 3  # of an optimization that is compared, unless it has more scales

Requests = dict[str, np.ndarray]


@dataclass(frozen=True)
class Verification:
    """Result of a comparison.

    Args:
        differences: the largest difference for each signature, in [0, 1]; for JPEG the largest mean.
        pictures: number of pictures that were compared; for a Stylizer, of pairs.
    """

    differences: Mapping[str, float]
    pictures: int

    def __str__(self) -> str:
        largest = ", ".join(f"{name} {difference:.2g}" for name, difference in self.differences.items())
        return f"{self.pictures} pictures, largest difference: {largest}"


def verify(
    directory: str | os.PathLike[str], model: Any, pictures: Sequence[ImageLike] = (), *, direction: str = "a2b"
) -> Verification:
    """Run an exported version in a new process that cannot import Keras or keras_style, and compare it with Keras.

    The process loads the graph as TensorFlow Serving does, by TensorFlow's C++ loader into a session. Floats must agree
    to 1e-5, 8-bit values to one level; of a Stylizer, floats to 1e-4 after 3 steps.

    Args:
        directory: of a version, such as models/a2b/1.
        model: what it was exported from, as `export_saved_model` takes it.
        pictures: to compare on, at least 16 pixels on each side; without any, synthetic ones of odd sizes. For a
            Stylizer: a content, a style, and so on in turn.
        direction: of a model that holds both.

    Raises:
        MissingFileError, InputError: an argument is not as above.
        ExportError: the graph does not run there, or answers otherwise.

    Example:
        >>> keras_style.export_saved_model("satellite_to_relief", "models/relief")
        PosixPath('models/relief/1')
        >>> print(keras_style.export.verify("models/relief/1", "satellite_to_relief", ["photo.jpg"]))
        1 pictures, largest difference: serving_default ..., serving_uint8 0.002, serving_bytes 0.002
    """
    directory = user_path(directory)
    if not (directory / "saved_model.pb").is_file():
        raise MissingFileError(f"no exported version: {directory}; expected a directory with saved_model.pb")
    metadata = json.loads((directory / "keras_style.json").read_text(encoding="utf-8"))
    model = open_source(model, direction).model
    loaded = [images.load(picture, name=f"pictures[{number}]") for number, picture in enumerate(pictures)]
    kind, output = metadata["kind"], metadata["output"]
    requests = {"generator": _of_generator, "painter": _of_painter, "stylizer": _of_stylizer}[kind]
    compared = list(requests(model, loaded, metadata["size"]))
    answers = _run(directory, [inputs for inputs, _ in compared])

    differences: dict[str, float] = {}
    for number, (inputs, expected) in enumerate(compared):
        signature = next(iter(inputs)).partition("/")[0]
        answer = answers.get(f"{number}/image")
        if answer is None:
            answer = images.load(io.BytesIO(answers[f"{number}/image_bytes"].tobytes()))[None]
        if answer.dtype == np.uint8:
            answer = answer.astype(np.float32) / 255
        if answer[0].shape != expected.shape:
            raise ExportError(f"{directory}: {signature} answers {answer[0].shape}, Keras {expected.shape}")
        lossy = output["format"] == "jpeg" and signature == "serving_bytes"
        if lossy:
            expected = images.load(io.BytesIO(images.encode(expected, "jpeg", output["quality"])))
        apart = np.abs(answer[0] - expected)
        difference = float(apart.mean() if lossy else apart.max())
        allowed = TOLERANCE[kind] if signature == "serving_default" else JPEG_TOLERANCE if lossy else LEVEL
        if not difference <= allowed:
            raise ExportError(
                f"{directory}: {signature} differs from Keras by {difference:.3g}; expected at most {allowed:.3g}"
            )
        differences[signature] = max(differences.get(signature, 0.0), difference)
    return Verification(differences, len(compared) // len(differences))


_SIZES = ((37, 50), (64, 64), (83, 45))


def _synthetic(seed: int, height: int, width: int) -> np.ndarray:
    """Slopes, edges and some grain."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    grain = np.random.default_rng(seed).random((height, width, 3), np.float32)
    shapes = np.stack([x / width, y / height, (x * height > y * width).astype(np.float32)], axis=-1)
    eight_bits = np.floor((0.8 * shapes + 0.2 * grain) * 255)
    return (eight_bits / 255).astype(np.float32)


def _of_generator(
    generator: Any, pictures: list[np.ndarray], size: Any
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    """Requests, and what Keras answers."""
    from keras_style.models.translation import translate

    pictures = pictures or [_synthetic(seed, *sides) for seed, sides in enumerate(_SIZES)]
    for picture in pictures:
        eight_bits = np.asarray(images.to_pil(picture))
        file = np.frombuffer(images.encode(picture, "png"), np.uint8)
        if size is not None:  # the graph resizes the file
            picture = images.resize(eight_bits.astype(np.float32) / 255, *size)
            eight_bits = np.asarray(images.to_pil(picture))
        expected, from_8_bits = translate(generator, picture), translate(generator, eight_bits)
        yield {"serving_default/image": picture[None]}, expected
        yield {"serving_uint8/image": eight_bits[None]}, from_8_bits
        yield {"serving_bytes/image_bytes": file}, from_8_bits if size is None else expected


def _of_painter(
    painter: Any, pictures: list[np.ndarray], size: Any
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    pictures = pictures or [_synthetic(seed, *sides) for seed, sides in enumerate(_SIZES)]
    names = list(painter.styles)
    for number, picture in enumerate(pictures):
        style, strength = names[number % len(names)], np.array(1 - number % 3 / 4, np.float32)
        eight_bits = np.asarray(images.to_pil(picture))
        file = np.frombuffer(images.encode(picture, "png"), np.uint8)
        if size is not None:  # the graph resizes the file
            picture = images.resize(eight_bits.astype(np.float32) / 255, *size)
            eight_bits = np.asarray(images.to_pil(picture))
        expected, from_8_bits = (
            painter.paint(each, style, strength=float(strength)).array for each in (picture, eight_bits)
        )
        weights = {"style_weights": painter.style_weights(style), "strength": strength}
        named = {"style": np.frombuffer(style.encode(), np.uint8), "strength": strength}
        for signature, inputs, answer in (
            ("serving_default", {"image": picture[None], **weights}, expected),
            ("serving_uint8", {"image": eight_bits[None], **weights}, from_8_bits),
            ("serving_bytes", {"image_bytes": file, **named}, from_8_bits if size is None else expected),
        ):
            named_inputs: dict[str, Any] = dict(inputs)
            yield {f"{signature}/{name}": value for name, value in named_inputs.items()}, answer


def _of_stylizer(
    stylizer: Any, pictures: list[np.ndarray], size: Any
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    if len(pictures) % 2:
        raise InputError(f"{len(pictures)} pictures for a Stylizer; expected a content, a style, and so on in turn")
    pictures = pictures or [_synthetic(seed, *sides) for seed, sides in enumerate(_SIZES[:2])]
    count = max(STEPS, least_steps(stylizer))
    steps = np.array(count, np.int32)
    short = dataclasses.replace(stylizer, steps=count)
    for content, style in zip(pictures[::2], pictures[1::2], strict=True):
        eight_bits = [np.asarray(images.to_pil(picture)) for picture in (content, style)]
        files = [np.frombuffer(images.encode(picture, "png"), np.uint8) for picture in (content, style)]
        expected = short(*eight_bits, verbose=0).array
        floats = [picture.astype(np.float32) / 255 for picture in eight_bits]
        for signature, pair, suffix in (
            ("serving_default", [picture[None] for picture in floats], ""),
            ("serving_uint8", [picture[None] for picture in eight_bits], ""),
            ("serving_bytes", files, "_bytes"),
        ):
            named: dict[str, Any] = {f"content{suffix}": pair[0], f"style{suffix}": pair[1], "steps": steps}
            yield {f"{signature}/{name}": value for name, value in named.items()}, expected


def _run(directory: Path, requests: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Answers of the graph, computed in another process."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder, "requests.npz"), Path(folder, "answers.npz")
        arrays = {f"{number}/{key}": value for number, one in enumerate(requests) for key, value in one.items()}
        np.savez(asked, **arrays)  # type: ignore[arg-type]
        # -P: the modules beside the script are none of its own.
        line = [sys.executable, "-P", str(RUNNER), str(directory), str(asked), str(answered)]
        done = subprocess.run(line, capture_output=True, text=True, errors="replace")
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise ExportError(f"{directory} does not run by itself: {last[:500]}")
        with np.load(answered) as found:
            return dict(found)
