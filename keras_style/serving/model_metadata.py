"""A server's description of a model: versions, their states, signatures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras_style.serving import messages, tensor_protos

_DTYPES = {messages.FLOAT: "float32", messages.INT32: "int32", messages.UINT8: "uint8", messages.STRING: "string"}

_DEFAULT_BYTES = 2**20  # of the value of an input that need not be sent


@dataclass(frozen=True)
class VersionStatus:
    """One version of a model.

    Attributes:
        version: its number.
        state: "START", "LOADING", "AVAILABLE", "UNLOADING" or "END".
        error: why it could not be loaded; empty if it could.
    """

    version: int
    state: str
    error: str


@dataclass(frozen=True)
class TensorInfo:
    """An input or output.

    Attributes:
        dtype: "float32", "uint8", "string" or "int32"; another type as its number in TensorFlow's types.proto.
        shape: its sides, None for a side of any size; None if the number of sides is unknown.
    """

    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Signature:
    """A way to call a model.

    Attributes:
        inputs: `{name: TensorInfo}`.
        outputs: `{name: TensorInfo}`.
        defaults: `{name: value}` of inputs that need not be sent; a nested list if the value is not a scalar.
    """

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    defaults: Mapping[str, Any]


@dataclass(frozen=True)
class ModelMetadata:
    """A version of a model, as its server describes it.

    Attributes:
        model: its name.
        version: the version that answers.
        signatures: `{name: Signature}`.
    """

    model: str
    version: int
    signatures: Mapping[str, Signature]


def names_styles(found: ModelMetadata) -> bool:
    """Whether a model knows its styles by name, as a painter does, and takes no paintings."""
    return any("style" in each.inputs and "image_bytes" in each.inputs for each in found.signatures.values())


def read_status(response: Any) -> list[VersionStatus]:
    """Read a GetModelStatusResponse, in the server's order (TensorFlow Serving: the highest version first)."""
    return [
        VersionStatus(each.version, messages.STATES.get(each.state, str(each.state)), each.status.error_message)
        for each in response.model_version_status
    ]


def read_metadata(response: Any) -> ModelMetadata:
    """Read a GetModelMetadataResponse, without the signatures that SavedModel adds for its own use."""
    signatures = messages.message("SignatureDefMap")()
    response.metadata["signature_def"].Unpack(signatures)
    return ModelMetadata(
        response.model_spec.name,
        response.model_spec.version.value,
        {
            name: _signature(definition)
            for name, definition in sorted(signatures.signature_def.items())
            if not name.startswith("__saved_model_")
        },
    )


def _signature(definition: Any) -> Signature:
    return Signature(
        {name: _tensor(info) for name, info in sorted(definition.inputs.items())},
        {name: _tensor(info) for name, info in sorted(definition.outputs.items())},
        {name: _value(tensor) for name, tensor in sorted(definition.defaults.items())},
    )


def _tensor(info: Any) -> TensorInfo:
    sides = tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)
    return TensorInfo(_DTYPES.get(info.dtype, str(info.dtype)), None if info.tensor_shape.unknown_rank else sides)


def _value(tensor: Any) -> Any:
    try:
        value = tensor_protos.from_proto(tensor, _DEFAULT_BYTES)
    except ValueError:
        return None  # a type or a size that no signature of this package has
    return value if isinstance(value, list) else value.tolist()
