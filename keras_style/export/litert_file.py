"""A generator as a LiteRT (TensorFlow Lite) file."""

import os
from pathlib import Path
from typing import Any

from keras_style import checks
from keras_style.errors import InputError
from keras_style.export.onnx_file import check_file, compare, single_file_graph, write_file

SIZE = 256  # pixels


def export_litert(
    model: Any, path: str | os.PathLike[str], *, direction: str = "a2b", size: int | tuple[int, int] | None = None
) -> Path:
    """Export a generator or a painter as a LiteRT file for one size, and run it once.

    It takes and gives one picture, float32 (1, H, W, 3) in [0, 1], by the signature `serving_default` from `image` to
    `translated`; a painter has `style_weights`, float32 (number of styles), as another input. Needs the extra
    `keras-style[litert]`.

    Args:
        model: a generator or a painter, as `keras_style.export_saved_model` takes it.
        path: the file; its directory must exist. It appears whole, after it was compared with Keras.
        direction: "a2b" or "b2a", of what holds both.
        size: pixels, one number or (height, width); None means 256. LiteRT's sizes are fixed.

    Raises:
        MissingFileError: the model or the directory does not exist.
        InputError: an argument is not as above, or the extra is missing.
        ExportError: the file does not run, or answers otherwise than Keras.

    Example:
        >>> keras_style.export.export_litert("satellite_to_relief", "relief.tflite", size=(256, 384))
        PosixPath('relief.tflite')
    """
    sides = checks.sides("size", size) or (SIZE, SIZE)
    source = check_file(path, model, direction)
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise InputError(f"LiteRT needs {error.name}: pip install 'keras-style[litert]'") from None
    from keras_style.internal.tensorflow import tf

    graph = single_file_graph(source, (1, *sides, 3))
    function = tf.function(
        lambda *inputs: {"translated": graph(*inputs)}, autograph=False, input_signature=graph.input_signature
    )
    module = tf.Module()
    module.function = function
    concrete = function.get_concrete_function()
    data = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module).convert()
    interpreter = Interpreter(model_content=data)
    run = interpreter.get_signature_runner()
    compare(path, lambda inputs: run(**inputs)["translated"], source, sides)
    return write_file(path, data)
