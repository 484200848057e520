"""The messages described without TensorFlow are those of tensorflow_serving.apis, field by field and byte by byte."""

import numpy as np
import pytest
from running import python

from keras_style.internal.tensorflow import tf
from keras_style.serving import messages, tensor_protos

from google.protobuf.descriptor import FieldDescriptor  # isort: skip
from tensorflow.core.framework import tensor_pb2, types_pb2  # isort: skip
from tensorflow.core.protobuf import meta_graph_pb2  # isort: skip
from tensorflow_serving.apis import (  # isort: skip
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    status_pb2,
)
from tensorflow_serving.apis import model_pb2  # isort: skip
from tensorflow_serving.config import model_server_config_pb2  # isort: skip

FILES = (
    get_model_metadata_pb2,
    get_model_status_pb2,
    meta_graph_pb2,
    model_pb2,
    model_server_config_pb2,
    predict_pb2,
    status_pb2,
)
NAMES = [f"tensorflow.{name}" for name in messages._TENSORFLOW] + [
    f"tensorflow.serving.{name}" for name in {**messages._SERVING, **messages._CONFIG}
]


def real(name):
    """The descriptor that the official modules registered."""
    pool = FILES[0].DESCRIPTOR.pool
    return pool.FindMessageTypeByName(name)


def described(field):
    """The properties that decide how a field is written; an enumeration is written as an int32."""
    kind = FieldDescriptor.TYPE_INT32 if field.type == FieldDescriptor.TYPE_ENUM else field.type
    of = field.message_type
    if of is not None and of.GetOptions().map_entry:
        return field.number, "map", *(described(of.fields_by_name[part]) for part in ("key", "value"))
    return field.number, kind, field.is_repeated, field.is_repeated and field.is_packed, of and of.full_name


@pytest.mark.parametrize("name", NAMES)
def test_fields(name):
    ours, theirs = messages.message(name).DESCRIPTOR, real(name)
    for field in ours.fields:
        assert described(field) == described(theirs.fields_by_name[field.name])


def test_numbers_of_types_and_states():
    assert (messages.FLOAT, messages.INT32, messages.UINT8, messages.STRING) == (
        types_pb2.DT_FLOAT,
        types_pb2.DT_INT32,
        types_pb2.DT_UINT8,
        types_pb2.DT_STRING,
    )
    states = get_model_status_pb2.ModelVersionStatus.State
    assert {number: name for name, number in states.items()} == messages.STATES


RANDOM = np.random.default_rng(0)
VALUES = [
    RANDOM.random((1, 5, 4, 3), np.float32),
    RANDOM.integers(0, 256, (1, 5, 4, 3), np.uint8),
    np.int32(17) * np.ones((), np.int32),
    np.zeros((1, 0, 4, 3), np.float32),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{value.dtype}{list(value.shape)}")
def test_what_is_written_tensorflow_reads(value):
    sent = tf.make_ndarray(tensor_pb2.TensorProto.FromString(_written(value)))
    assert (sent.dtype, sent.shape) == (value.dtype, value.shape)
    np.testing.assert_array_equal(sent, value)


def test_a_file_is_a_batch_of_one_string():
    tensor = tensor_pb2.TensorProto.FromString(_written(b"\x00\xff"))
    assert tf.make_ndarray(tensor).tolist() == [b"\x00\xff"]
    assert tensor.tensor_shape.dim[0].size == 1


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{value.dtype}{list(value.shape)}")
def test_what_tensorflow_writes_is_read(value, typed):
    tensor = tf.make_tensor_proto(value)
    if typed:
        tensor.ClearField("tensor_content")
        tensor.ClearField("float_val")
        tensor.ClearField("int_val")
        (tensor.float_val if value.dtype == np.float32 else tensor.int_val).extend(value.ravel().tolist())
    read = tensor_protos.from_proto(messages.message("tensorflow.TensorProto").FromString(_bytes(tensor)), 2**20)
    assert (read.dtype, read.shape) == (value.dtype, value.shape)
    np.testing.assert_array_equal(read, value)


def test_a_repeated_last_number_may_be_left_out():
    tensor = tf.make_tensor_proto(np.zeros((2, 3), np.float32))
    tensor.ClearField("tensor_content")
    tensor.float_val[:] = [1.0, 5.0]
    read = tensor_protos.from_proto(messages.message("tensorflow.TensorProto").FromString(_bytes(tensor)), 2**20)
    np.testing.assert_array_equal(read, tf.make_ndarray(tensor))
    assert read.tolist() == [[1, 5, 5], [5, 5, 5]]


@pytest.mark.parametrize(
    "tensor",
    [tf.make_tensor_proto(1j), tensor_pb2.TensorProto()],
    ids=["complex", "none"],
)
def test_other_types_are_refused(tensor):
    with pytest.raises(ValueError, match="type number"):
        tensor_protos.from_proto(messages.message("tensorflow.TensorProto").FromString(_bytes(tensor)), 2**20)


def test_neither_the_client_nor_its_command_imports_tensorflow():
    script = """
import sys
import keras_style
client = keras_style.serving.StyleClient("localhost:1", "a2b", retries=0)
request = client.predict_request(b"x", None, None)
assert not client.ready()
from keras_style.commands import main
from keras_style.serving import AsyncStyleClient
assert request.SerializeToString()
print([name for name in ("tensorflow", "keras", "tensorflow_serving") if name in sys.modules])
"""
    done = python(script)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def _written(value):
    tensor = messages.message("tensorflow.TensorProto")()
    tensor_protos.fill(tensor, value)
    return _bytes(tensor)


def _bytes(message):
    return message.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    ("dtype", "sides"),
    [(tf.float32, [1, 30_000, 30_000, 3]), (tf.uint8, [2**62, 2**62, 3]), (tf.int32, [-1]), (tf.float32, [-2, -2])],
)
def test_a_shape_is_not_believed(dtype, sides):
    """One number stands for all of a shape: a message of a few bytes could ask for any memory."""
    tensor = tf.make_tensor_proto(np.zeros(1, dtype.as_numpy_dtype))
    tensor.ClearField("tensor_shape")
    for side in sides:
        tensor.tensor_shape.dim.add(size=side)
    read = messages.message("tensorflow.TensorProto").FromString(_bytes(tensor))
    with pytest.raises(ValueError, match="a shape of"):
        tensor_protos.from_proto(read, 2**20)
