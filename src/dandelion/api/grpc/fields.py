"""A look at the fields of a request before it is parsed: millions of tiny ones would take thirty times its size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dandelion.api.v2.photos import FORMS
from dandelion.errors import TensorError, UploadTooLargeError

# A smaller message is parsed at once.
SMALL_BYTES = 1024 * 1024
_MOST = 4096
# The fields that repeat, by number: parameters, inputs and outputs, and within those. Of `contents`, all but
# `bytes_contents` hold numbers.
_FIELDS: Mapping[int, Any] = {4: {}, 5: {4: {}, 5: {}}, 6: {2: {}}}
_INPUTS, _SHAPE, _CONTENTS, _BYTES = 5, 3, 5, 8
_MAX_SHAPE_BYTES = 1024
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def check_fields(message: bytes, max_photos: int) -> None:
    """Refuse a large ModelInferRequest whose size is not that of its photos.

    Raises:
        TensorError: It has thousands of fields, or is no message.
        UploadTooLargeError: It has a tensor of numbers.
    """
    if len(message) < SMALL_BYTES:
        return
    try:
        for number, (path, size) in enumerate(_walk(memoryview(message), _FIELDS, ())):
            if number > _MOST + max_photos:
                raise TensorError(f"The request has more than {number:,} fields.", "Send one input.")
            if path == (_INPUTS, _SHAPE) and size > _MAX_SHAPE_BYTES:
                raise TensorError(f"An input has a shape of {size:,} bytes, which no tensor has.", FORMS)
            if path[:2] == (_INPUTS, _CONTENTS) and len(path) == 3 and path[2] != _BYTES:
                raise UploadTooLargeError(
                    f"The request is larger than {SMALL_BYTES:,} bytes, and has a tensor in numbers.",
                    "Send it in `raw_input_contents`.",
                )
    except (IndexError, ValueError) as error:
        raise TensorError("The inference request cannot be read.", "Send a ModelInferRequest.") from error


def _walk(
    message: memoryview, nested: Mapping[int, Any], outer: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], int]]:
    """The path and the size of each field, with the fields of those in `nested`."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        path, kind = (*outer, tag >> 3), tag & 7
        if kind == _VARINT:
            size, at = 0, _varint(message, at)[1]
        elif kind == _LENGTH:
            size, at = _varint(message, at)
        elif kind in {_FIXED64, _FIXED32}:
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("a group, which the protocol has none of")
        if size > len(message) - at:
            raise ValueError("cut off")
        yield path, size
        if kind == _LENGTH and path[-1] in nested:
            yield from _walk(message[at : at + size], nested[path[-1]], path)
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number at `at`, and where the next byte is."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number of more than ten bytes")
