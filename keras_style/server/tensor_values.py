"""TensorProto to array and back, as TensorFlow's C++ converts them."""

import math
from typing import Any

import numpy as np

from keras_style.internal.tensorflow import tf

_STRING_BYTES = 24  # a tstring, however short


def decode(proto: Any, limit: int) -> np.ndarray:
    """The array in a TensorProto, converted by `Tensor::FromProto` itself.

    Args:
        proto: the message.
        limit: bytes that the array may take. One value may stand for a whole tensor, so a message of a few bytes can
            ask for terabytes.

    Raises:
        ValueError: the message is no tensor, or it is larger than the limit.
    """
    try:
        dtype = tf.dtypes.as_dtype(proto.dtype)
        elements = math.prod(side.size for side in proto.tensor_shape.dim)
        if dtype == tf.string and elements != len(proto.string_val):
            raise ValueError(f"{elements} strings, of which {len(proto.string_val)} came; expected all of them")
        size = sum(map(len, proto.string_val)) if dtype == tf.string else elements * dtype.size
        if size + elements * _STRING_BYTES * (dtype == tf.string) > limit:
            raise ValueError(f"expected at most {limit} bytes")
        with tf.device("CPU"):
            array = tf.io.parse_tensor(proto.SerializeToString(), dtype).numpy()
    except (tf.errors.OpError, TypeError, KeyError, NotImplementedError) as error:
        raise ValueError(str(error)) from None
    return np.asarray(array, object if dtype == tf.string else None)


# {type: field} where the field is not int_val (tensor.proto).
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
    """Fill an empty TensorProto: values in the field of their type, or as bytes in `tensor_content`."""
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
        _pack(proto, _FIELDS[kind], values.tobytes())  # the wire has the layout of memory
    elif kind is np.uint8:
        _pack(proto, "int_val", _varints(values))
    elif dtype in (tf.float16, tf.bfloat16):
        proto.half_val.extend(values.view(np.uint16).tolist())
    else:
        getattr(proto, _FIELDS.get(kind, "int_val")).extend(values.astype(kind).tolist())


def _pack(proto: Any, field: str, data: bytes) -> None:
    """Add a packed repeated field as bytes; a Python list of a picture's floats would take longer than a network."""
    number = proto.DESCRIPTOR.fields_by_name[field].number
    proto.MergeFromString(_varint(number << 3 | 2) + _varint(len(data)) + data)


def _varint(number: int) -> bytes:
    groups = []
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


def _varints(values: np.ndarray) -> bytes:
    """Varints of uint8 values: one byte below 128; from 128 on the same byte, whose top bit is set, then a 1."""
    pairs = np.stack([values, np.ones_like(values)], axis=1)
    wanted = np.stack([np.ones(len(values), bool), values >= 128], axis=1)
    return pairs[wanted].tobytes()
