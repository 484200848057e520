"""Metadata, status, and the methods that there are: answers that run no model."""

import pytest
import served
from google.protobuf import descriptor_pb2
from served import refusal, request
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_management_pb2

INVALID, NOT_FOUND = "INVALID_ARGUMENT", "NOT_FOUND"


# Metadata


def metadata(client, *fields, **spec):
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    if spec:
        asked.model_spec.CopyFrom(request(**{"inputs": {}, **spec}).model_spec)
        asked.model_spec.SetInParent()
    return client.prediction.GetModelMetadata(asked, 60)


def test_metadata_is_all_signatures(client, saved):
    response = metadata(client, "signature_def", name="many", label="stable", signature="ignored")
    assert response.model_spec == request("many", {}, version=3).model_spec
    assert list(response.metadata) == ["signature_def"]
    found = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    assert found.signature_def.keys() == {
        "serving_default",
        "encoded",
        "stylized",
        "held",
        "__saved_model_init_op",
    }
    file = served.saved_model_pb2.SavedModel.FromString((saved / "all" / "saved_model.pb").read_bytes())
    for name, signature in file.meta_graphs[0].signature_def.items():
        assert found.signature_def[name] == signature
    assert found.signature_def["stylized"].defaults["steps"].int_val == [3]


@pytest.mark.parametrize(
    ("fields", "spec", "expected"),
    [
        ((), {}, (INVALID, "Missing ModelSpec")),
        ((), {"name": ""}, (INVALID, "GetModelMetadataRequest must specify at least one metadata_field")),
        (("signature_def", "size"), {"name": "none"}, (INVALID, "Metadata field size is not supported")),
        (("signature_def",), {"name": "none"}, (NOT_FOUND, "Servable not found for request: Latest(none)")),
    ],
)
def test_metadata_refuses(client, fields, spec, expected):
    assert refusal(metadata, client, *fields, **spec) == expected


# Status


def status(client, **spec):
    asked = get_model_status_pb2.GetModelStatusRequest()
    if spec:
        asked.model_spec.CopyFrom(request(**{"inputs": {}, **spec}).model_spec)
        asked.model_spec.SetInParent()
    return client.models.GetModelStatus(asked, 60)


@pytest.mark.parametrize("spec", [{"name": "many"}, {"name": "many", "label": "nobody knows"}])
def test_status_of_all_versions_the_highest_first(client, spec):
    entries = status(client, **spec).model_version_status
    assert [(e.version, e.state, e.status.error_code, e.status.error_message) for e in entries] == [
        (7, 30, 0, ""),
        (3, 30, 0, ""),
    ]
    assert all(entry.HasField("status") for entry in entries)


def test_status_of_one_version(client):
    assert [entry.version for entry in status(client, name="many", version=3).model_version_status] == [3]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, (INVALID, "Missing ModelSpec")),
        ({"name": ""}, (NOT_FOUND, "Could not find any versions of model ")),
        ({"name": "none"}, (NOT_FOUND, "Could not find any versions of model none")),
        ({"name": "many", "version": 4}, (NOT_FOUND, "Could not find version 4 of model many")),
        ({"name": "none", "version": 4}, (NOT_FOUND, "Could not find version 4 of model none")),
    ],
)
def test_status_refuses(client, spec, expected):
    assert refusal(status, client, **spec) == expected


# What is not offered


@pytest.mark.parametrize(
    "method",
    [
        "/tensorflow.serving.PredictionService/Classify",
        "/tensorflow.serving.PredictionService/Regress",
        "/tensorflow.serving.PredictionService/MultiInference",
        "/tensorflow.serving.PredictionService/PredictStreamed",
        "/tensorflow.serving.SessionService/SessionRun",
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ],
)
def test_other_methods_are_unimplemented(client, method):
    """gRPC's own answer to a method that is not registered."""
    call = client.channel.unary_unary(method)
    assert refusal(call, request("many", {}).SerializeToString(), 60) == ("UNIMPLEMENTED", "Method not found!")


def test_reload_takes_nothing_but_a_list(client):
    message = (
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported"
    )
    asked = model_management_pb2.ReloadConfigRequest()
    assert refusal(client.models.HandleReloadConfigRequest, asked, 60) == (INVALID, message)
    asked.config.custom_model_config.Pack(descriptor_pb2.FileDescriptorProto())
    assert refusal(client.models.HandleReloadConfigRequest, asked, 60) == (INVALID, message)
