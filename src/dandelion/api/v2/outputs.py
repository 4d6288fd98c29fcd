"""What a response says of the photos: its tensors, in JSON or in binary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from dandelion.api.v2.messages import InferenceResponse, OutputParameters, RequestedOutput, ResponseOptions
from dandelion.api.v2.tensors import OutputTensor
from dandelion.errors import TensorError
from dandelion.inference.service import EmbeddedPrediction

PROBABILITIES = "probabilities"
# Name to datatype and to a photo's values. `prediction_id` is what feedback refers to.
OUTPUTS: dict[str, tuple[str, Callable[[EmbeddedPrediction], Sequence[Any]]]] = {
    "label": ("BYTES", lambda each: [each.prediction.label]),
    PROBABILITIES: ("FP32", lambda each: [*each.prediction.probabilities.values()]),
    "in_distribution": ("BOOL", lambda each: [each.prediction.in_distribution]),
    "prediction_id": ("BYTES", lambda each: [each.prediction.prediction_id]),
    "embedding": ("FP32", lambda each: each.embedding.tolist()),
}
# One row for each photo; the others have one value.
_ROWS = {PROBABILITIES, "embedding"}
# Hundreds of numbers that few clients want.
_ON_REQUEST = {"embedding"}
_DEFAULT = [RequestedOutput(name) for name in OUTPUTS if name not in _ON_REQUEST]
_NONE = OutputParameters()

_encoder = msgspec.json.Encoder()


def check_outputs(options: ResponseOptions) -> None:
    """Check what is requested, before any photo is run.

    Raises:
        TensorError: There is no such output, it is requested twice, or it has no classes.
    """
    names = [each.name for each in options.outputs or ()]
    if len(names) != len({*names}):  # a small request could get a response of any size
        raise TensorError("An output is requested twice.", "Request each output once.")
    for each in options.outputs or ():
        if each.name not in OUTPUTS:
            raise TensorError(f"The model has no output {each.name[:80]!r}.", f"Its outputs: {', '.join(OUTPUTS)}.")
        if each.name != PROBABILITIES and (each.parameters or _NONE).classification:
            raise TensorError(
                f"`classification` is for the output `{PROBABILITIES}`, not for {each.name!r}.", "Leave it out."
            )


def create_outputs(
    options: ResponseOptions, given: Sequence[EmbeddedPrediction]
) -> Iterator[tuple[OutputTensor, bool | None]]:
    """The tensors of a response in the order of the request, and whether it wants each in binary, if it says so."""
    for each in options.outputs or _DEFAULT:
        parameters = each.parameters or _NONE
        tensor = _classes(given, parameters.classification) if parameters.classification else _tensor(each.name, given)
        yield tensor, parameters.binary_data


def encode_response(options: ResponseOptions, given: Sequence[EmbeddedPrediction]) -> tuple[bytes, int | None]:
    """The body of a response, and the length of the JSON in front if tensors follow it."""
    model = given[0].prediction.model
    is_binary_by_default = bool(options.parameters and options.parameters.binary_data_output)
    outputs, rest = [], []
    for tensor, is_binary in create_outputs(options, given):
        if is_binary_by_default if is_binary is None else is_binary:
            rest.append(tensor.to_bytes())
            outputs.append(tensor.to_header(len(rest[-1])))
        else:
            outputs.append(tensor.to_json())
    front = _encoder.encode(InferenceResponse(model.name, model.version, outputs, options.id or ""))
    return b"".join([front, *rest]), len(front) if rest else None


def _tensor(name: str, given: Sequence[EmbeddedPrediction]) -> OutputTensor:
    datatype, values_of = OUTPUTS[name]
    rows = [values_of(each) for each in given]
    shape = [len(rows), len(rows[0])] if name in _ROWS else [len(rows)]
    return OutputTensor(name, datatype, shape, [value for row in rows for value in row])


def _classes(given: Sequence[EmbeddedPrediction], most: int) -> OutputTensor:
    """The most probable classes of each photo, as `probability:index:label`."""
    rows = [_ranked(each, most) for each in given]
    return OutputTensor(PROBABILITIES, "BYTES", [len(rows), len(rows[0])], [text for row in rows for text in row])


def _ranked(given: EmbeddedPrediction, most: int) -> list[str]:
    classes = enumerate(given.prediction.probabilities.items())
    ranked = sorted(classes, key=lambda each: each[1][1], reverse=True)[:most]
    return [f"{probability:f}:{index}:{label}" for index, (label, probability) in ranked]
