"""Arrays and bytes to TensorProto and back, without TensorFlow."""

import math
from typing import Any

import numpy as np

from keras_style.serving import messages

_DTYPES: dict[int, np.dtype[Any]] = {
    messages.FLOAT: np.dtype("<f4"),
    messages.INT32: np.dtype("<i4"),
    messages.UINT8: np.dtype("u1"),
}
_NUMBERS = {dtype: number for number, dtype in _DTYPES.items()}
_VALUES = {messages.FLOAT: "float_val", messages.INT32: "int_val", messages.UINT8: "int_val"}


def fill(tensor: Any, value: np.ndarray | bytes) -> None:
    """Fill an empty TensorProto with an array, or with a batch of one string.

    Args:
        tensor: the message.
        value: float32, int32 or uint8 of any shape; or the bytes of a file.
    """
    if isinstance(value, bytes):
        tensor.dtype = messages.STRING
        tensor.tensor_shape.dim.add(size=1)
        tensor.string_val.append(value)
        return
    dtype = value.dtype.newbyteorder("<")
    tensor.dtype = _NUMBERS[dtype]
    tensor.tensor_shape.SetInParent()  # present for a scalar, too
    for side in value.shape:
        tensor.tensor_shape.dim.add(size=side)
    tensor.tensor_content = np.ascontiguousarray(value, dtype).tobytes()


def from_proto(tensor: Any, max_bytes: int) -> np.ndarray | list[bytes]:
    """Read a TensorProto: an array of numbers, or a list of strings.

    A server may send numbers as bytes or one by one, and may leave out repetitions of the last number.

    Args:
        tensor: the message.
        max_bytes: that an array may take; one number may stand for any shape.

    Raises:
        ValueError: it has another type, more or fewer numbers than its shape, or it is larger.
    """
    if tensor.dtype == messages.STRING:
        return list(tensor.string_val)
    if tensor.dtype not in _DTYPES:
        raise ValueError(f"a tensor of type number {tensor.dtype}")
    dtype = _DTYPES[tensor.dtype]
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize > max_bytes:
        raise ValueError(f"a shape of {count} numbers; expected at most {max_bytes} bytes")
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, dtype).reshape(shape)
    values = np.array(getattr(tensor, _VALUES[tensor.dtype]), dtype)
    missing = count - values.size
    if missing > 0 and values.size:
        values = np.pad(values, (0, missing), mode="edge")
    return values.reshape(shape)
