"""The messages of TensorFlow Serving's protocol that a client sends and receives, without TensorFlow.

Importing `tensorflow_serving.apis` imports TensorFlow, which takes seconds; a picture may be back before that. So the
few messages are described here, with the names, numbers and types of the `.proto` files (tensorflow/serving 9d981c5c,
TensorFlow 2.21). They live in a descriptor pool of their own, apart from the official ones. Fields that are not listed
are skipped, as protocol buffers skip unknown fields. A test compares every line with the official messages.
"""

import functools
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

_Field = descriptor_pb2.FieldDescriptorProto

# {message: {field: (number, type)}}; "[...]" is repeated, "{...}" a map from strings. An enumeration is an int32:
# on the wire they are the same, and unknown values do no harm.
_TENSORFLOW = {
    "TensorShapeProto.Dim": {"size": (1, "int64")},
    "TensorShapeProto": {"dim": (2, "[TensorShapeProto.Dim]"), "unknown_rank": (3, "bool")},
    "TensorProto": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "TensorShapeProto"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "[float]"),
        "int_val": (7, "[int32]"),
        "string_val": (8, "[bytes]"),
    },
    "TensorInfo": {"name": (1, "string"), "dtype": (2, "int32"), "tensor_shape": (3, "TensorShapeProto")},
    "SignatureDef": {
        "inputs": (1, "{TensorInfo}"),
        "outputs": (2, "{TensorInfo}"),
        "method_name": (3, "string"),
        "defaults": (4, "{TensorProto}"),
    },
}
_SERVING = {
    "ModelSpec": {
        "name": (1, "string"),
        "version": (2, "google.protobuf.Int64Value"),
        "signature_name": (3, "string"),
        "version_label": (4, "string"),
    },
    "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "{tensorflow.TensorProto}")},
    "PredictResponse": {"outputs": (1, "{tensorflow.TensorProto}"), "model_spec": (2, "ModelSpec")},
    "GetModelMetadataRequest": {"model_spec": (1, "ModelSpec"), "metadata_field": (2, "[string]")},
    "GetModelMetadataResponse": {"model_spec": (1, "ModelSpec"), "metadata": (2, "{google.protobuf.Any}")},
    "SignatureDefMap": {"signature_def": (1, "{tensorflow.SignatureDef}")},
    "GetModelStatusRequest": {"model_spec": (1, "ModelSpec")},
    "StatusProto": {"error_code": (1, "int32"), "error_message": (2, "string")},
    "ModelVersionStatus": {"version": (1, "int64"), "state": (2, "int32"), "status": (3, "StatusProto")},
    "GetModelStatusResponse": {"model_version_status": (1, "[ModelVersionStatus]")},
}
# The contents of `models.config`.
_CONFIG = {
    "FileSystemStoragePathSourceConfig.ServableVersionPolicy.Latest": {"num_versions": (1, "uint32")},
    "FileSystemStoragePathSourceConfig.ServableVersionPolicy.All": {},
    "FileSystemStoragePathSourceConfig.ServableVersionPolicy.Specific": {"versions": (1, "[int64]")},
    "FileSystemStoragePathSourceConfig.ServableVersionPolicy": {
        "latest": (100, "FileSystemStoragePathSourceConfig.ServableVersionPolicy.Latest"),
        "all": (101, "FileSystemStoragePathSourceConfig.ServableVersionPolicy.All"),
        "specific": (102, "FileSystemStoragePathSourceConfig.ServableVersionPolicy.Specific"),
    },
    "FileSystemStoragePathSourceConfig": {},
    "ModelConfig": {
        "name": (1, "string"),
        "base_path": (2, "string"),
        "model_platform": (4, "string"),
        "model_version_policy": (7, "FileSystemStoragePathSourceConfig.ServableVersionPolicy"),
        "version_labels": (8, "{int64}"),
    },
    "ModelConfigList": {"config": (1, "[ModelConfig]")},
    "ModelServerConfig": {"model_config_list": (1, "ModelConfigList")},
}
# config/ssl_config.proto, which tensorflow-serving-api lacks.
_SSL_CONFIG = {
    "SSLConfig": {
        "server_key": (1, "string"),
        "server_cert": (2, "string"),
        "custom_ca": (3, "string"),
        "client_verify": (4, "bool"),
    },
}

FLOAT, INT32, UINT8, STRING = 1, 3, 4, 7  # tensorflow/core/framework/types.proto
STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}


@functools.cache
def message(name: str) -> Any:
    """The class of a message, such as `message("PredictRequest")` or `message("tensorflow.TensorProto")`."""
    full = name if name.startswith("tensorflow.") else f"tensorflow.serving.{name}"
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(full))


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    known = [any_pb2.DESCRIPTOR, wrappers_pb2.DESCRIPTOR]
    for imported in known:
        pool.AddSerializedFile(imported.serialized_pb)
    names = [imported.name for imported in known]
    pool.Add(_file("keras_style/tensorflow.proto", "tensorflow", _TENSORFLOW, names))
    names.append("keras_style/tensorflow.proto")
    pool.Add(_file("keras_style/serving.proto", "tensorflow.serving", {**_SERVING, **_CONFIG, **_SSL_CONFIG}, names))
    return pool


def _file(
    name: str, package: str, messages: dict[str, dict[str, tuple[int, str]]], imports: list[str]
) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3", dependency=imports)
    made: dict[str, descriptor_pb2.DescriptorProto] = {}
    for full_name in sorted(messages):  # an outer message sorts before those nested in it
        outer, _, own = full_name.rpartition(".")
        made[full_name] = new = (made[outer].nested_type if outer else file.message_type).add(name=own)
        for field, (number, kind) in messages[full_name].items():
            _add_field(new, f".{package}.{full_name}", field, number, kind)
    return file


def _add_field(to: descriptor_pb2.DescriptorProto, full_name: str, field: str, number: int, kind: str) -> None:
    repeated = kind[0] in "[{"
    label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    new = to.field.add(name=field, number=number, label=label)
    if kind[0] != "{":
        _set_type(new, full_name, kind.strip("[]"))
        return
    entry = to.nested_type.add(name=f"{field.title().replace('_', '')}Entry")
    entry.options.map_entry = True
    _add_field(entry, full_name, "key", 1, "string")
    _add_field(entry, full_name, "value", 2, kind.strip("{}"))
    new.type, new.type_name = _Field.TYPE_MESSAGE, f"{full_name}.{entry.name}"


def _set_type(field: descriptor_pb2.FieldDescriptorProto, full_name: str, kind: str) -> None:
    scalar = f"TYPE_{kind.upper()}"
    if scalar in _Field.Type.keys():  # noqa: SIM118 - not a mapping
        field.type = _Field.Type.Value(scalar)
        return
    package = ".tensorflow.serving" if full_name.startswith(".tensorflow.serving.") else ".tensorflow"
    absolute = kind.startswith(("google.", "tensorflow."))
    field.type, field.type_name = _Field.TYPE_MESSAGE, f".{kind}" if absolute else f"{package}.{kind}"
