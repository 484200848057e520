"""A model as a SavedModel that TensorFlow Serving runs."""

import dataclasses
import datetime
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_style import checks
from keras_style.checks import DIRECTIONS
from keras_style.errors import InputError
from keras_style.export.exportable import Source, least_steps, open_source
from keras_style.export.limits import MAX_BYTES, MAX_PIXELS, Limits
from keras_style.images import ImageLike
from keras_style.internal.paths import user_path
from keras_style.internal.version_folders import check_new, publish
from keras_style.version import __version__

METADATA = "keras_style.json"
WARMUP_SIDE = 256  # pixels


def export_saved_model(
    model: Any,
    directory: str | os.PathLike[str],
    version: int | None = None,
    *,
    direction: str = "a2b",
    size: int | tuple[int, int] | None = None,
    output_format: str = "png",
    quality: int = 95,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
    warmup: bool = True,
    verify: bool = False,
    pictures: Sequence[ImageLike] = (),
) -> Path:
    """Export a model as a SavedModel: a directory that TensorFlow Serving runs, without Keras or this package.

    A generator gets the signatures `serving_default` (`image` float32 (B, H, W, 3) in [0, 1] -> `image`),
    `serving_uint8` (the same in 8 bits) and `serving_bytes` (`image_bytes` (B,) -> `image_bytes`, image files of any
    sizes). A Stylizer gets those of `content` and `style` (`content_bytes`, `style_bytes`) and an optional int32 scalar
    `steps`: its whole optimization is a graph. A painter gets `image`, `style_weights`, float32 (number of styles) or
    (B, number), and an optional `strength`, float32 scalar; with `image_bytes` the name of a `style`, a string scalar
    or (B,). The order of its styles is in the metadata file, keras_style.json.

    Pictures may have any size, as in `keras_style.models.translate`, whose numbers come out. The version appears whole
    or not at all, under the next free number.

    Args:
        model: a generator (a Keras model, images (B, H, W, 3) in [-1, 1] to the same), a `CycleGAN`, a
            `keras_style.Stylizer`, a `keras_style.models.Painter`, or whatever opens as one of them: the name of a
            preset, the directory of a preset or of a run, a file.
        directory: of the model, that is MODELS/NAME; its versions are in it. It is made, with its parents.
        version: a number from 1 on that is not there yet; None means the largest there is, plus one.
        direction: "a2b" or "b2a", for a model that holds both.
        size: pixels, one number or (height, width): all tensors have this size, encoded images are resized to it, and
            TensorFlow Serving can put requests together. None, the default, takes any size. Not for a Stylizer.
        output_format: format of encoded answers: "png" or "jpeg" (without chroma subsampling).
        quality: quality of JPEG, 1 to 100.
        max_pixels: pixels that the network computes for all images of a request together, and pixels of an encoded
            image; more is refused, and before it is decoded.
        max_bytes: size of all encoded images of a request together; with `size`, of each.
        warmup: write a request for each signature, which a server runs before the version becomes available.
        verify: run the graph in a new process without Keras, and compare; see `keras_style.export.verify`. What
            differs is not exported.
        pictures: pictures to compare on; synthetic ones if there are none. For a Stylizer: a content, a style, and so
            on in turn.

    Returns:
        The directory of the new version.

    Raises:
        MissingFileError: the model does not exist.
        InputError: an argument is not as above, the version exists, or the disk refuses.
        WeightsError: weights are damaged.
        ExportError: the exported graph answers otherwise than Keras.

    Example:
        >>> keras_style.export_saved_model("satellite_to_relief", "models/relief")
        PosixPath('models/relief/1')
        >>> keras_style.export_saved_model(keras_style.Stylizer(size=256, steps=100), "models/gatys")
        PosixPath('models/gatys/1')
    """
    checks.choice("direction", direction, DIRECTIONS)
    fixed = checks.sides("size", size)
    checks.choice("output_format", output_format, ("png", "jpeg"))
    quality = checks.whole("quality", quality, 1, 100)
    limits = Limits(
        checks.whole("max_pixels", max_pixels, 1, 2**31 - 1), checks.whole("max_bytes", max_bytes, 1, 2**31 - 1)
    )
    checks.truth("warmup", warmup)
    checks.truth("verify", verify)
    if pictures and not verify:
        raise InputError("pictures without verify; expected both")
    directory = user_path(directory)
    check_new(directory, version)
    source = open_source(model, direction)
    if fixed is not None and not (source.is_generator or source.is_painter):
        raise InputError("size with a Stylizer; its own size says how large it paints, expected none")

    from keras_style.export.signatures import Encoding, describe
    from keras_style.export.warmup_requests import write_warmup

    passes = source.is_generator or source.is_painter
    if passes and (least := source.least_pixels(fixed)) > limits.max_pixels:
        raise InputError(f"max_pixels is {limits.max_pixels}; this model computes at least {least} for a picture")
    encoding = Encoding(output_format, quality)
    signatures = _signatures(source, limits, encoding, fixed)
    # A request that the limits refuse would keep the version from being loaded; a PNG takes 3 bytes a pixel at most.
    side = min(WARMUP_SIDE, math.isqrt(limits.max_pixels), math.isqrt(max(limits.max_bytes - 4096, 4) // 4))
    side = max(1, side // source.multiple * source.multiple)
    steps = 1 if passes else least_steps(source.model)
    metadata = {
        "name": directory.resolve().name,
        **source.description,
        **_environment(),
        "signatures": {name: describe(signature) for name, signature in signatures.items()},
        "size": fixed,
        "limits": dataclasses.asdict(limits),
        "output": {"format": output_format, "quality": quality if output_format == "jpeg" else None},
    }

    def write(folder: Path) -> None:
        _save(folder, signatures)
        if warmup:
            write_warmup(folder, metadata["name"], signatures, side, steps, _styles(source))
        (folder / METADATA).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
        if verify:
            from keras_style.export.verification import verify as compare

            compare(folder, source.model, pictures)

    return publish(directory, version, write)


def _signatures(source: Source, limits: Limits, encoding: Any, size: tuple[int, int] | None) -> dict[str, Any]:
    from keras_style.export.signatures import generator_endpoints, painter_endpoints, pair_endpoints

    if source.is_painter:
        from keras_style.export.generator_graph import extended_pixels
        from keras_style.export.painter_call import painter_call

        paint, pixels = painter_call(source.model, one_by_one=True), extended_pixels(source.model)
        return painter_endpoints(paint, list(source.model.styles), limits, encoding, size, pixels)
    if source.is_generator:
        from keras_style.export.generator_graph import extended_pixels, generator_graph

        graph, pixels = generator_graph(source.model), extended_pixels(source.model)
        return generator_endpoints(graph, limits, encoding, size, pixels)
    from keras_style.export.stylizer_graph import stylizer_graph

    stylize = stylizer_graph(source.model)
    return pair_endpoints(stylize, stylize.steps, limits, encoding, source.model.size**2)


def _styles(source: Source) -> dict[str, np.ndarray]:
    """Values of the inputs that a painter has beside pictures."""
    if not source.is_painter:
        return {}
    first = next(iter(source.model.styles))
    return {
        "style_weights": source.model.style_weights(first),
        "style": np.array(first.encode(), object),
        "strength": np.array(1, np.float32),
    }


def _save(folder: Path, signatures: dict[str, Any]) -> None:
    from keras_style.internal.tensorflow import tf

    module = tf.Module()
    module.functions = list(signatures.values())  # or they would be collected while they are saved
    tf.saved_model.save(module, str(folder), signatures=signatures)


def _environment() -> dict[str, Any]:
    from keras_style.internal.tensorflow import keras, tf

    return {
        "versions": {
            "keras_style": __version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
