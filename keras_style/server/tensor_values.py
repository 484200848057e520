"""TensorProto to array and back, as TensorFlow's C++ does it."""

import math
from typing import Any

import numpy as np

from keras_style.internal.tensorflow import tf

_STRING_BYTES = 24  # a tstring, however short


def decode(proto: Any, limit: int) -> np.ndarray:
    """The array of a TensorProto, by `Tensor::FromProto` itself.

    Args:
        proto: the message.
        limit: bytes that the array may take. One value may stand for a whole tensor, so that a few bytes can ask for
            terabytes.

    Raises:
        ValueError: the message is no tensor, or a larger one.
    """
    try:
        dtype = tf.dtypes.as_dtype(proto.dtype)
        size = _STRING_BYTES if dtype == tf.string else dtype.size
        if math.prod(side.size for side in proto.tensor_shape.dim) * size > limit:
            raise ValueError(f"expected at most {limit} bytes")
        with tf.device("CPU"):
            array = tf.io.parse_tensor(proto.SerializeToString(), dtype).numpy()
    except (tf.errors.OpError, TypeError, KeyError, NotImplementedError) as error:
        raise ValueError(str(error)) from None
    return np.asarray(array, object if dtype == tf.string else None)


# The field of each type, where it is not int_val: tensor.proto.
_FIELDS = {
    np.float32: "float_val",
    np.float64: "double_val",
    np.complex64: "scomplex_val",
    np.complex128: "dcomplex_val",
    np.bool_: "bool_val",
    np.int64: "int64_val",
    np.uint32: "uint32_val",
    np.uint64: "uint64_val",
    np.object_: "string_val",
}


def encode(array: np.ndarray, proto: Any, as_content: bool = False) -> None:
    """Fill an empty TensorProto: values in the field of their type, or all bytes as `tensor_content`."""
    dtype = tf.dtypes.as_dtype(array.dtype)
    proto.dtype = dtype.as_datatype_enum
    for side in array.shape:
        proto.tensor_shape.dim.add(size=side)
    if not array.size:
        return
    values = array.ravel()
    kind = values.dtype.type
    if kind is np.object_:
        proto.string_val.extend(values.tolist())
    elif as_content:
        proto.tensor_content = values.tobytes()
    elif kind in (np.float32, np.float64, np.complex64, np.complex128, np.bool_):
        _pack(proto, _FIELDS[kind], values.tobytes())  # on the wire they stand as in memory
    elif kind is np.uint8:
        _pack(proto, "int_val", _varints(values))
    elif dtype in (tf.float16, tf.bfloat16):
        proto.half_val.extend(values.view(np.uint16).tolist())
    else:
        getattr(proto, _FIELDS.get(kind, "int_val")).extend(values.astype(kind).tolist())


def _pack(proto: Any, field: str, data: bytes) -> None:
    """Add a packed repeated field: a Python list of a picture's floats would take longer than a small network."""
    number = proto.DESCRIPTOR.fields_by_name[field].number
    proto.MergeFromString(_varint(number << 3 | 2) + _varint(len(data)) + data)


def _varint(number: int) -> bytes:
    groups = []
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


def _varints(values: np.ndarray) -> bytes:
    """Of uint8: one byte below 128; from there on the same byte, whose top bit says that a 1 follows."""
    pairs = np.stack([values, np.ones_like(values)], axis=1)
    wanted = np.stack([np.ones(len(values), bool), values >= 128], axis=1)
    return pairs[wanted].tobytes()
