"""A generator as an ONNX file."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_style import checks
from keras_style.errors import ExportError, InputError, MissingFileError
from keras_style.export.exportable import Source, open_source
from keras_style.internal import atomic_files
from keras_style.internal.paths import user_path

OPSET = 18
TOLERANCE = 1e-4  # another library adds in another order


def export_onnx(
    model: Any, path: str | os.PathLike[str], *, direction: str = "a2b", size: int | tuple[int, int] | None = None
) -> Path:
    """Export a generator or a painter as an ONNX file, and run it once with onnxruntime.

    The input `image` and the output `translated` are float32 (B, H, W, 3) in [0, 1]; pictures of other sizes than the
    network takes are extended and cropped as in `keras_style.models.translate`. A painter has `style_weights`, float32
    (number of styles), as an input beside `image`. Needs the extra `keras-style[onnx]`.

    Args:
        model: a generator or a painter, as `keras_style.export_saved_model` takes it.
        path: the file; its directory must exist. It appears whole, after it was compared with Keras.
        direction: "a2b" or "b2a", of what holds both.
        size: pixels, one number or (height, width); None takes any.

    Raises:
        MissingFileError: the model or the directory does not exist.
        InputError: an argument is not as above, or the extra is missing.
        ExportError: the file answers otherwise than Keras.

    Example:
        >>> keras_style.export.export_onnx("satellite_to_relief", "relief.onnx")
        PosixPath('relief.onnx')
    """
    sides = checks.sides("size", size)
    source = check_file(path, model, direction)
    try:
        import onnxruntime
        import tf2onnx
    except ImportError as error:
        raise InputError(f"ONNX needs {error.name}: pip install 'keras-style[onnx]'") from None
    function = single_file_graph(source, (None, *(sides or (None, None)), 3))
    proto, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=OPSET)
    _rename_output(proto.graph, "translated")
    data = proto.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    compare(path, lambda inputs: session.run(["translated"], inputs)[0], source, sides)
    return write_file(path, data)


def _rename_output(graph: Any, name: str) -> None:
    """The converter calls it after the node that makes it."""
    old, graph.output[0].name = graph.output[0].name, name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [name if each == old else each for each in names]


def check_file(path: str | os.PathLike[str], model: Any, direction: str) -> Source:
    """A generator or a painter to be written to a file."""
    if not user_path(path).resolve().parent.is_dir():
        raise MissingFileError(f"{path}: no such directory: {Path(path).parent}")
    source = open_source(model, direction)
    if not (source.is_generator or source.is_painter):
        raise InputError("a Stylizer as a single file; expected a generator (export_saved_model takes both)")
    return source


def single_file_graph(source: Source, shape: tuple[int | None, ...]) -> Any:
    """The model as a `tf.function` of pictures of this shape in [0, 1] and, of a painter, style weights (S,)."""
    from keras_style.export.generator_graph import generator_graph
    from keras_style.export.painter_call import painter_call
    from keras_style.internal.tensorflow import tf

    image = tf.TensorSpec(shape, tf.float32, name="image")
    if not source.is_painter:
        translate = generator_graph(source.model)
        return tf.function(
            lambda image: tf.ensure_shape(translate(image), shape), autograph=False, input_signature=[image]
        )
    paint = painter_call(source.model, one_by_one=False)

    def call(image: Any, style_weights: Any) -> Any:
        weights = style_weights / tf.reduce_sum(style_weights)
        return tf.ensure_shape(paint(image, weights[None], tf.constant(1.0)), shape)

    style_weights = tf.TensorSpec((len(source.model.styles),), tf.float32, name="style_weights")
    return tf.function(call, autograph=False, input_signature=[image, style_weights])


def compare(path: Any, run: Any, source: Source, size: tuple[int, int] | None) -> None:
    """Run what was converted on a picture, by `run` from the inputs by name, and compare.

    Raises:
        ExportError: it does not run, or differs from Keras by more than 1e-4.
    """
    from keras_style.models.translation import translate

    picture = np.random.default_rng(0).random((*(size or (37, 50)), 3), np.float32)
    inputs = {"image": picture[None]}
    if source.is_painter:
        styles = [*source.model.styles][:2]
        inputs["style_weights"] = source.model.style_weights(styles)
        expected = source.model.paint(picture, styles).array
    else:
        expected = translate(source.model, picture)
    try:
        answer = run(inputs)[0]
    except Exception as error:  # of another library's own kind
        raise ExportError(f"{path} does not run: {' '.join(str(error).split())[:300]}") from error
    difference = float(np.abs(answer - expected).max())
    if not difference <= TOLERANCE:
        raise ExportError(f"{path} differs from Keras by {difference:.3g}; expected at most {TOLERANCE:g}")


def write_file(path: str | os.PathLike[str], data: bytes) -> Path:
    target = user_path(path)
    try:
        atomic_files.write_bytes(target, data)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    return target
