"""The JSON of requests and responses, as the protocol's text names its fields.

Unknown parameters are ignored. Optional fields may be null: serializers of several languages write every field.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dandelion.errors import TensorError

# More dimensions, or longer ones, fit no tensor; the limits also let an error name any shape.
MAX_DIMENSIONS, MAX_SIZE = 8, 2**31
Shape = Annotated[list[Annotated[int, Meta(ge=0, lt=MAX_SIZE)]], Meta(max_length=MAX_DIMENSIONS)]
_EXAMPLE = (
    "Send an inference request as JSON; `Inference-Header-Content-Length` gives its length if tensors follow it, and 0 "
    "sends a photo alone."
)


class InputParameters(msgspec.Struct):
    """Parameters of one input; `binary_data_size` is the number of its bytes after the JSON."""

    binary_data_size: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    shared_memory_region: str | None = None


class InputTensor(msgspec.Struct):
    """One input; its elements are in `data`, nested or flat, or after the JSON."""

    name: str
    shape: Shape
    datatype: str
    parameters: InputParameters | None = None
    data: msgspec.Raw = msgspec.Raw()


class OutputParameters(msgspec.Struct):
    """Parameters of one output: in binary or not, and how many classes, if any, take the place of its values."""

    binary_data: bool | None = None
    classification: Annotated[int, Meta(ge=0, lt=2**31)] | None = None


class RequestedOutput(msgspec.Struct):
    """One output that the client requests."""

    name: str
    parameters: OutputParameters | None = None


class RequestParameters(msgspec.Struct):
    """Parameters of the whole request; `binary_data_output` is the default of all outputs."""

    binary_data_output: bool | None = None


class ResponseOptions(msgspec.Struct):
    """What the response depends on, besides the photos; no `outputs` means the default ones."""

    id: str | None = None
    parameters: RequestParameters | None = None
    outputs: list[RequestedOutput] | None = None


class InferenceRequest(ResponseOptions, kw_only=True):
    """The JSON of `POST .../infer`."""

    inputs: list[InputTensor]

    @property
    def options(self) -> ResponseOptions:
        """The request without its inputs, whose elements hold on to the whole body."""
        return ResponseOptions(self.id, self.parameters, self.outputs)


class OutputTensorJson(msgspec.Struct, omit_defaults=True):
    """One output: flat `data`, row by row, or parameters with the number of its bytes after the JSON."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, int] | None = None
    data: list[Any] | None = None


class InferenceResponse(msgspec.Struct, omit_defaults=True):
    """The JSON of a response; `id` is the request's."""

    model_name: str
    model_version: str
    outputs: list[OutputTensorJson]
    id: str = ""


_decoder = msgspec.json.Decoder(InferenceRequest)


def decode_request(data: bytes | memoryview) -> InferenceRequest:
    """Read the JSON of a request.

    Raises:
        TensorError: It is no JSON, or not of this form.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TensorError(f"The inference request cannot be read ({error}).", _EXAMPLE) from error
