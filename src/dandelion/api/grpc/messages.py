"""Requests for predictions read from gRPC's messages, and their responses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from dandelion.api.grpc import open_inference_pb2 as pb
from dandelion.api.grpc.fields import check_fields
from dandelion.api.v2.messages import (
    MAX_DIMENSIONS,
    MAX_SIZE,
    InputParameters,
    InputTensor,
    OutputParameters,
    RequestedOutput,
    RequestParameters,
    ResponseOptions,
)
from dandelion.api.v2.outputs import create_outputs
from dandelion.api.v2.photos import FORMS, IMAGE, check_input, split_pixels, unpack_photos
from dandelion.api.v2.tensors import OutputTensor
from dandelion.domain import InputSpec
from dandelion.errors import TensorError
from dandelion.inference.service import EmbeddedPrediction

_CONTENTS = {"BYTES": "bytes_contents", "FP32": "fp32_contents", "BOOL": "bool_contents", "UINT8": "uint_contents"}
_CLASSIFICATION, _BINARY = "classification", "binary_data_output"


def parse_request(data: bytes, max_photos: int) -> pb.ModelInferRequest:
    """Parse a request for predictions.

    Raises:
        TensorError: It is none, or has far more fields than a request needs.
        UploadTooLargeError: It has too many numbers.
    """
    check_fields(data, max_photos)
    try:
        return pb.ModelInferRequest.FromString(data)
    except DecodeError as error:
        raise TensorError("The inference request cannot be read.", "Send a ModelInferRequest.") from error


def read_options(request: pb.ModelInferRequest) -> ResponseOptions:
    """What the response depends on, besides the photos.

    The response is in `raw_output_contents` if the request is in `raw_input_contents`, or says so itself.

    Raises:
        TensorError: A parameter has another type.
    """
    is_binary = _parameter(request.parameters, _BINARY, bool)
    outputs = [
        RequestedOutput(each.name, OutputParameters(classification=_count(each.parameters))) for each in request.outputs
    ]
    if is_binary is None:
        is_binary = bool(request.raw_input_contents)
    return ResponseOptions(request.id, RequestParameters(is_binary), outputs)


def read_photos(request: pb.ModelInferRequest, spec: InputSpec, max_photos: int) -> list[bytes]:
    """The photos of a request, which hold on to nothing of it.

    Args:
        request: The request.
        spec: The model's input; `pixels` must be of its size.
        max_photos: Maximum number of photos.

    Raises:
        TensorError: The request does not fit the model.
        UploadTooLargeError: Too many photos.
    """
    tensor = check_input([_describe(each) for each in request.inputs], spec, max_photos)
    contents, raw = request.inputs[0].contents, request.raw_input_contents
    sent = [field.name for field, _ in contents.ListFields()]
    if raw:
        if sent or len(raw) != 1:
            raise TensorError(
                f"`raw_input_contents` has {len(raw)} elements, and `contents` has {', '.join(sent) or 'none'}.",
                "Send the elements of each input once, all in `raw_input_contents` or all in `contents`.",
            )
        return unpack_photos(tensor, memoryview(raw[0]))
    wanted = _CONTENTS[tensor.datatype]
    if sent != [wanted]:
        raise TensorError(
            f"The elements of `{tensor.name}` are in {', '.join(sent) or 'no field'} of `contents`.",
            f"Send {tensor.datatype} in `{wanted}`, or in `raw_input_contents`.",
        )
    if tensor.name == IMAGE:
        if len(contents.bytes_contents) != tensor.shape[0]:
            raise TensorError(
                f"`image` has {len(contents.bytes_contents)} elements, and its shape is {tensor.shape}.", FORMS
            )
        return [*contents.bytes_contents]
    numbers = contents.uint_contents
    if len(numbers) != math.prod(tensor.shape):
        raise TensorError(f"`pixels` has {len(numbers)} elements, and its shape is {tensor.shape}.", FORMS)
    values = np.fromiter(numbers, np.uint32, len(numbers))
    if values.max() > np.iinfo(np.uint8).max:
        raise TensorError("`uint_contents` of `pixels` holds something else than numbers from 0 to 255.", FORMS)
    return split_pixels(tensor, values.astype(np.uint8))


def create_response(options: ResponseOptions, given: Sequence[EmbeddedPrediction]) -> pb.ModelInferResponse:
    """The response to a request."""
    model = given[0].prediction.model
    response = pb.ModelInferResponse(model_name=model.name, model_version=model.version, id=options.id or "")
    is_binary = bool(options.parameters and options.parameters.binary_data_output)
    for tensor, _ in create_outputs(options, given):
        output = response.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if is_binary:
            response.raw_output_contents.append(tensor.to_bytes())
        else:
            getattr(output.contents, _CONTENTS[tensor.datatype]).extend(_elements(tensor))
    return response


def _elements(tensor: OutputTensor) -> Sequence[Any]:
    return [each.encode() for each in tensor.values] if tensor.datatype == "BYTES" else tensor.values


def _describe(tensor: pb.ModelInferRequest.InferInputTensor) -> InputTensor:
    shape = [*tensor.shape[: MAX_DIMENSIONS + 1]]
    if len(shape) > MAX_DIMENSIONS or not all(0 <= each < MAX_SIZE for each in shape):
        raise TensorError(f"{tensor.name[:40]!r} has the shape {shape}, which no tensor has.", FORMS)
    parameters = InputParameters(shared_memory_region="set" if "shared_memory_region" in tensor.parameters else None)
    return InputTensor(tensor.name, shape, tensor.datatype, parameters)


def _count(parameters: Mapping[str, pb.InferParameter]) -> int | None:
    count: int | None = _parameter(parameters, _CLASSIFICATION, int)
    if count is not None and not 0 <= count < MAX_SIZE:
        raise TensorError(f"The parameter `{_CLASSIFICATION}` is {count}.", "Give the number of classes.")
    return count


def _parameter(parameters: Mapping[str, pb.InferParameter], name: str, kind: type) -> Any:
    """The value of a parameter, or None; others than those that are read here are ignored."""
    if name not in parameters:
        return None
    choice = parameters[name].WhichOneof("parameter_choice")
    value = getattr(parameters[name], choice) if choice else None
    if type(value) is not kind:
        raise TensorError(f"The parameter `{name}` is {value!r:.40}.", f"Send it as {kind.__name__}.")
    return value
