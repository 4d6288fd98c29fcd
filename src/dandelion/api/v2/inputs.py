"""The photos of a request over REST: in its JSON, or in binary behind it."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
import numpy as np

from dandelion.api.encoded import decode_base64
from dandelion.api.v2.messages import InputTensor, ResponseOptions, decode_request
from dandelion.api.v2.photos import FORMS, IMAGE, check_input, split_pixels, unpack_photos
from dandelion.api.v2.tensors import hand_out, split_body
from dandelion.domain import InputSpec
from dandelion.domain.arrays import Pixels
from dandelion.errors import TensorError, UploadError, UploadTooLargeError

_BASE64 = "Send each photo as a base64 string, or as binary data: see docs/protocol.md."
_Value = Annotated[int, msgspec.Meta(ge=0, le=255)]
# Longer JSON must be base64, which holds no comma. So many numbers take 0.1 s, in which nobody else is served.
_MAX_NUMBERS_BYTES = 4 * 1024 * 1024
_COMMAS_PER_PHOTO = 2  # one before the next photo, and one in a data URL
_OTHERS = 4096  # commas besides those of tensors, and objects
_DIGITS_AND_BLANKS = b"0123456789 \t\r\n"
_list = msgspec.json.Decoder(list[msgspec.Raw])
_flat = msgspec.json.Decoder(list[_Value])


def read_inputs(
    body: bytes, length: str | None, spec: InputSpec, max_photos: int
) -> tuple[ResponseOptions, list[bytes]]:
    """The photos of a request, and what the response to it depends on; neither holds on to the body.

    Args:
        body: The JSON, and what follows it.
        length: Value of the header that gives the length of the JSON, if it was sent. 0 means that the body is a photo.
        spec: The model's input; `pixels` must be of its size.
        max_photos: Maximum number of photos.

    Raises:
        TensorError: The request cannot be read, or does not fit the model.
        UploadTooLargeError: Too many photos, or other values in the JSON.
    """
    front, rest = (memoryview(body), memoryview(b"")) if length is None else split_body(body, length.strip())
    if length is not None and not front:
        return ResponseOptions(), [body]
    if len(front) > _MAX_NUMBERS_BYTES and body.count(b",", 0, len(front)) > _OTHERS + _COMMAS_PER_PHOTO * max_photos:
        raise UploadTooLargeError(
            f"The JSON is larger than {_MAX_NUMBERS_BYTES:,} bytes, and not for its photos in base64.",
            "Send tensors in binary: see docs/protocol.md.",
        )
    if body.count(b"{", 0, len(front)) > _OTHERS:
        raise TensorError(f"The JSON has more than {_OTHERS} objects, too many or nested too deeply.", FORMS)
    request = decode_request(front)
    given = hand_out(request.inputs, rest)
    tensor = check_input(request.inputs, spec, max_photos)
    data = given[0]
    if (data is not None) == bool(tensor.data):
        has = "neither `data` nor `binary_data_size`" if data is None else "both `data` and `binary_data_size`"
        raise TensorError(f"`{tensor.name}` has {has}.", "Send its elements once.")
    if data is not None:
        return request.options, unpack_photos(tensor, data)
    _check_values(tensor, body, len(front))
    return request.options, _read_texts(tensor) if tensor.name == IMAGE else split_pixels(tensor, _read_numbers(tensor))


def _check_values(tensor: InputTensor, body: bytes, end: int) -> None:
    """Refuse JSON of far more values than the shape tells: decoded, they take a hundred times as much memory."""
    commas = math.prod(tensor.shape) * (_COMMAS_PER_PHOTO if tensor.name == IMAGE else 1)
    if body.count(b",", 0, end) > _OTHERS + commas:
        raise TensorError(f"`{tensor.name}` has more elements than its shape, which is {tensor.shape}.", FORMS)


def _read_texts(tensor: InputTensor) -> list[bytes]:
    # JSON holds text, and no photo is text: whatever `content_type` says, a string can only be base64.
    count = tensor.shape[0]
    try:
        rows = _list.decode(tensor.data)
        values = [each for row in rows for each in (_list.decode(row) if _begins(row) == b"[" else [row])]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TensorError(f"`data` of `image` holds something else than strings ({error}).", _BASE64) from error
    if len(values) != count:
        raise TensorError(f"`image` has {len(values)} elements, and its shape is {tensor.shape}.", FORMS)
    if any(_begins(each) != b'"' for each in values):
        raise TensorError("`data` of `image` holds something else than strings.", _BASE64)
    try:
        return [decode_base64(each, f"`image`[{number}]") for number, each in enumerate(values)]
    except UploadError as error:
        raise TensorError(error.message, _BASE64) from error


def _begins(value: msgspec.Raw) -> bytes:
    return bytes(memoryview(value)[:1])


def _read_numbers(tensor: InputTensor) -> Pixels:
    """uint8, flat."""
    # Typed, since NumPy would find a common type of its own: one of strings as long as the longest, for example.
    try:
        try:
            values = _flat.decode(tensor.data)
        except msgspec.ValidationError:
            values = _flat.decode(_flatten(bytes(tensor.data), tensor.shape))
        return np.array(values, dtype=np.uint8).ravel()
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise TensorError(
            "`data` of `pixels` holds something else than numbers from 0 to 255, flat or nested like the shape.", FORMS
        ) from error


def _flatten(text: bytes, shape: list[int]) -> bytes:
    """Valid JSON without its inner brackets: half a million lists take a second, and their numbers a twentieth."""
    nested = b""
    for size in reversed(shape):
        nested = b"[" + b",".join([nested] * size) + b"]"
    if text.translate(None, _DIGITS_AND_BLANKS) != nested:
        raise ValueError("not nested like the shape")
    return b"[" + text.translate(None, b"[]") + b"]"
