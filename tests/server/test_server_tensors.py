"""TensorProto to array and back, against TensorFlow's own functions."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from keras_style.internal.tensorflow import tf
from keras_style.server import tensor_values

TensorProto = type(tf.make_tensor_proto(0))
DTYPES = [
    np.float32,
    np.float64,
    np.float16,
    np.int8,
    np.uint8,
    np.int16,
    np.uint16,
    np.int32,
    np.uint32,
    np.int64,
    np.uint64,
    np.bool_,
    np.complex64,
    np.complex128,
]
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
ARRAYS = st.sampled_from(DTYPES).flatmap(lambda dtype: arrays.arrays(dtype, SHAPES))


@settings(max_examples=150, deadline=None)
@given(array=ARRAYS, as_content=st.booleans())
@example(array=np.arange(256, dtype=np.uint8), as_content=False)
def test_an_encoded_array_is_what_tensorflow_reads(array, as_content):
    proto = TensorProto()
    tensor_values.encode(array, proto, as_content)
    assert not (proto.tensor_content and not as_content)
    np.testing.assert_array_equal(tf.make_ndarray(proto), array)
    back = tensor_values.decode(proto, 10**6)
    assert back.dtype == array.dtype and back.shape == array.shape
    np.testing.assert_array_equal(back, array)


@settings(max_examples=50, deadline=None)
@given(array=ARRAYS)
def test_decoding_what_tensorflow_writes(array):
    np.testing.assert_array_equal(tensor_values.decode(tf.make_tensor_proto(array), 10**6), array)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3)])
def test_strings(shape):
    values = np.array([b"", b"\0\xff", b"x" * 1000, b"a", b"b", b"c"][: int(np.prod(shape))], object).reshape(shape)
    proto = TensorProto()
    tensor_values.encode(values, proto)
    assert tf.make_ndarray(proto).tolist() == values.tolist()
    back = tensor_values.decode(proto, 10**6)
    assert back.dtype == object and back.shape == shape and back.tolist() == values.tolist()


def test_bfloat16():
    array = tf.cast([1.5, -2.0, 1e30], tf.bfloat16).numpy()
    proto = TensorProto()
    tensor_values.encode(array, proto)
    assert proto.half_val and (tf.make_ndarray(proto) == array).all()


def proto(dtype, *sides, **values):
    made = TensorProto(dtype=dtype.as_datatype_enum if dtype else 0, **values)
    for side in sides:
        made.tensor_shape.dim.add(size=side)
    return made


def test_values_fill_the_shape_as_in_cpp():
    """Tensor::FromProto: the last one is repeated, surplus ones are dropped, none is zero."""
    assert tensor_values.decode(proto(tf.float32, 4, float_val=[1, 2]), 100).tolist() == [1, 2, 2, 2]
    assert tensor_values.decode(proto(tf.float32, 1, float_val=[1, 2]), 100).tolist() == [1]
    assert tensor_values.decode(proto(tf.int32, 2), 100).tolist() == [0, 0]


@pytest.mark.parametrize(
    "message",
    [
        proto(None, 1),
        proto(tf.float32, 3, tensor_content=b"12345678"),
        proto(tf.float32, -1),
        proto(tf.float32, 2**62, 2**62),
        proto(tf.float32, 26, float_val=[1]),  # 104 bytes
        proto(tf.string, 5, string_val=[b""]),  # 120 bytes
        proto(tf.string, 2, string_val=[bytes(30)]),  # one value for both
        proto(tf.string, 1, string_val=[bytes(80)]),
        proto(tf.resource, 1),
        proto(tf.variant, 1),
        TensorProto(dtype=77),
        TensorProto(dtype=101),  # a reference
    ],
)
def test_what_is_no_tensor_or_too_large(message):
    with pytest.raises(ValueError):  # noqa: PT011
        tensor_values.decode(message, 100)


def test_the_limit_itself_fits():
    assert tensor_values.decode(proto(tf.float32, 25, float_val=[1]), 100).sum() == 25
