"""GetModelMetadata and GetModelStatus: get_model_metadata_impl.cc, get_model_status_impl.cc."""

from typing import Any

import grpc
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from keras_style.server.served_models import Models, model_spec
from keras_style.server.served_versions import Report
from keras_style.server.status import StatusError, invalid

_FIELD = "signature_def"


def get_model_metadata(request: Any, models: Models) -> Any:
    """All signatures of a version, as a GetModelMetadataResponse.

    Raises:
        StatusError: the request is refused, or there is no such version.
    """
    spec = model_spec(request)
    if not request.metadata_field:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != _FIELD:
            raise invalid(f"Metadata field {field} is not supported")
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    signatures = get_model_metadata_pb2.SignatureDefMap()
    with models.use(spec) as (version, loaded):
        for name, signature in loaded.signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
    response.model_spec.name = spec.name
    response.model_spec.version.value = version
    response.metadata[_FIELD].Pack(signatures)
    return response


def get_model_status(request: Any, models: Models) -> Any:
    """The state of one version, or of all that were ever seen, as a GetModelStatusResponse; a label is ignored.

    Raises:
        StatusError: the request is refused, or there is no such model or version.
    """
    spec = model_spec(request)
    reports = models.reports(spec.name)
    response = get_model_status_pb2.GetModelStatusResponse()
    if spec.HasField("version"):
        number = spec.version.value
        if number not in reports:
            raise StatusError(grpc.StatusCode.NOT_FOUND, f"Could not find version {number} of model {spec.name}")
        _add(response, number, reports[number])
        return response
    if not reports:
        raise StatusError(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {spec.name}")
    for number, report in reports.items():
        _add(response, number, report)
    return response


def _add(response: Any, number: int, report: Report) -> None:
    entry = response.model_version_status.add(version=number, state=report.state)
    if report.error is None:
        entry.status.SetInParent()  # present, and OK
        return
    entry.status.error_code = report.error.code.value[0]
    entry.status.error_message = report.error.message
