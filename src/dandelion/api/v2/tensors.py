"""The binary tensor extension: bytes of tensors behind the JSON, little-endian, row by row.

An element of datatype BYTES is its length as uint32, then its bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dandelion.api.v2.messages import InputTensor, OutputTensorJson
from dandelion.errors import TensorError

# Names the length of the JSON in front of the tensors. Triton's clients send and read it.
LENGTH_HEADER = "Inference-Header-Content-Length"

_DTYPES = {"BOOL": np.dtype("?"), "FP32": np.dtype("<f4")}
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """A tensor of a response; `values` are flat, row by row."""

    name: str
    datatype: str
    shape: Sequence[int]
    values: Sequence[Any]

    def to_json(self) -> OutputTensorJson:
        """The tensor with its values."""
        return OutputTensorJson(self.name, self.datatype, [*self.shape], data=[*self.values])

    def to_header(self, size: int) -> OutputTensorJson:
        """The tensor without its values, of which `size` bytes follow the JSON."""
        return OutputTensorJson(self.name, self.datatype, [*self.shape], parameters={"binary_data_size": size})

    def to_bytes(self) -> bytes:
        """Its values as the extension packs them."""
        if self.datatype == "BYTES":
            return pack_elements(each.encode() for each in self.values)
        return np.asarray(self.values, dtype=_DTYPES[self.datatype]).tobytes()


def split_body(body: bytes, length: str) -> tuple[memoryview, memoryview]:
    """The JSON in front, and the tensors behind it; `length` is the header's value.

    Raises:
        TensorError: The value is no number, or the body is shorter.
    """
    view = memoryview(body)
    # Python refuses to read very long numbers.
    is_number = length.isascii() and length.isdecimal() and len(length) < 20
    if not is_number or int(length) > len(view):
        raise TensorError(
            f"{LENGTH_HEADER} is {length[:40]!r}, and the body has {len(view)} bytes.",
            "It counts the bytes of the JSON, before any compression.",
        )
    return view[: int(length)], view[int(length) :]


def hand_out(inputs: Sequence[InputTensor], rest: memoryview) -> list[memoryview | None]:
    """The bytes of each input, in order; None for an input whose elements are in the JSON.

    Raises:
        TensorError: The sizes do not add up to the bytes that are there.
    """
    found: list[memoryview | None] = []
    at = 0
    for each in inputs:
        size = each.parameters.binary_data_size if each.parameters else None
        found.append(None if size is None else rest[at : at + size])
        at += size or 0
    if at != len(rest):
        raise TensorError(
            f"The inputs announce {at} bytes as `binary_data_size`, and {len(rest)} follow the JSON.",
            f"Give each tensor its size, in their order, and the JSON's as {LENGTH_HEADER}.",
        )
    return found


def unpack_elements(data: memoryview, count: int) -> list[bytes]:
    """The `count` elements of a tensor of datatype BYTES.

    Raises:
        TensorError: There are fewer or more bytes.
    """
    found: list[bytes] = []
    at = 0
    for number in range(1, count + 1):
        left = len(data) - at
        size = _LENGTH.size + (_LENGTH.unpack_from(data, at)[0] if left >= _LENGTH.size else 0)
        if size > left:
            raise TensorError(
                f"Element {number} of {count} of a BYTES tensor takes {size} bytes, and {left} are left.",
                "An element is its length as little-endian uint32, then its bytes.",
            )
        found.append(bytes(data[at + _LENGTH.size : at + size]))
        at += size
    if at != len(data):
        raise TensorError(f"{len(data) - at} bytes follow the {count} elements of a BYTES tensor.", "Mend its shape.")
    return found


def pack_elements(elements: Iterable[bytes]) -> bytes:
    """A tensor of datatype BYTES with these elements."""
    return b"".join(part for each in elements for part in (_LENGTH.pack(len(each)), each))
