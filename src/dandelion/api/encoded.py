"""Photos in JSON, as base64: one in a field, or many as TensorFlow Serving takes them."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

import msgspec

from dandelion.api.fields import EXAMPLE, is_taken, missing, too_many
from dandelion.errors import UploadError, UploadTooLargeError

_MANY, _ENCODED = "instances", "b64"
_MAX_DEPTH = 3  # {"instances": [{"image": {"b64": ...}}]}
# Within JSON, where `/` may be written `\\/`.
_DATA_URL = re.compile(rb'"\s*data:[^,"]*,', re.IGNORECASE)
_URL = re.compile(rb'"\s*[a-z][a-z0-9+.-]*:\\?/\\?/', re.IGNORECASE)
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
# What of base64 needs escaping in a URL or a form. Each escape is replaced in one pass: a decoder of URLs makes several
# objects for each `%`, and a body may consist of them.
_ESCAPES = ((b"%2B", b"+"), (b"%2F", b"/"), (b"%3D", b"="), (b"%0A", b""), (b"%0D", b""), (b"%20", b""))
# There is no comma in base64. So the commas bound the elements that reading JSON builds, each of 100 bytes and more.
_COMMAS, _COMMAS_PER_PHOTO = 1000, 16
_LONGEST_DATA_URL_HEAD = 256


def read_photos(text: bytes, max_files: int) -> tuple[list[bytes], bool]:
    """The photos in a JSON object, and whether it has them in a list.

    The text is held once, and each photo is decoded straight from it.

    Raises:
        UploadError: The JSON has no photo where one is taken, is malformed, or names a URL.
        UploadTooLargeError: Too many photos, or too many other values.
        RecursionError: It is nested too deeply.
    """
    most = _COMMAS + _COMMAS_PER_PHOTO * max_files
    if text.count(b",") > most:
        raise UploadTooLargeError(
            f"The JSON has more than {most:,} commas, too many for {max_files} photos.", "Send the photos alone."
        )
    try:
        fields = _object(text)
        raw = fields.get(_MANY)
        found = [(_MANY, raw)] if raw is not None else [each for each in fields.items() if is_taken(each[0])]
        photos: list[bytes] = []
        for name, value in found:
            for photo in _photos(value, name, _MAX_DEPTH):
                photos.append(photo)
                if len(photos) > max_files:
                    raise too_many(max_files)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UploadError(f"The JSON is malformed ({error}).", EXAMPLE) from error
    if not photos:
        for name, value in fields.items():
            _check_no_url(bytes(memoryview(value)[:_LONGEST_DATA_URL_HEAD]), name)
        raise missing("The JSON", list(fields))
    is_list = len(photos) > 1 or any(bytes(memoryview(value)[:1]) == b"[" for _, value in found)
    return photos, is_list


def _photos(value: msgspec.Raw, place: str, depth: int) -> Iterator[bytes]:
    kind = bytes(memoryview(value)[:1])
    if kind == b'"':
        yield decode_base64(value, place)
    elif kind == b"[" and depth:
        for number, each in enumerate(msgspec.json.decode(value, type=list[msgspec.Raw])):
            yield from _photos(each, f"{place}[{number}]", depth - 1)
    elif kind == b"{" and depth:
        fields = _object(value)
        inner = {name: each for name, each in fields.items() if name == _ENCODED or is_taken(name)}
        if len(inner) != 1:
            for name, each in fields.items():
                _check_no_url(bytes(memoryview(each)[:_LONGEST_DATA_URL_HEAD]), f"{place}.{name}")
            raise missing(f"{place} of the JSON", list(fields))
        for name, each in inner.items():
            yield from _photos(each, f"{place}.{name}", depth - 1)
    else:
        raise UploadError(f"{place} of the JSON is no text in base64.", EXAMPLE)


def _object(text: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(text, type=dict[str, msgspec.Raw])


def decode_base64(value: msgspec.Raw, place: str) -> bytes:
    """The bytes of a JSON string of base64, which may be a `data:` URL.

    Raises:
        UploadError: It is no base64, or names a URL; `place` says which string.
    """
    view = memoryview(value)
    head = bytes(view[:_LONGEST_DATA_URL_HEAD])
    _check_no_url(head, place)
    if found := _DATA_URL.match(head):
        if b"base64" not in found[0].lower():
            raise UploadError(f"{place} is a data URL without `;base64`.", "Encode the photo in base64.")
        value = msgspec.Raw(b"".join((b'"', view[found.end() :])))
    try:
        # Ten times as fast as binascii, and strict.
        return msgspec.json.decode(value, type=bytes)
    except msgspec.ValidationError:
        return _decode_leniently(value, place)


def _decode_leniently(value: msgspec.Raw, place: str) -> bytes:
    """As some libraries write base64: in lines, safe for URLs, percent-encoded or without padding."""
    text = msgspec.json.decode(value, type=str).encode(errors="replace")
    if b"%" in text:
        for escape, byte in _ESCAPES:
            text = text.replace(escape, byte).replace(escape.lower(), byte)
    text = text.translate(_URL_SAFE, b" \t\r\n").rstrip(b"=")
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except binascii.Error as error:
        raise UploadError(f"{place} of the JSON is no base64 ({error}).", EXAMPLE) from error


def _check_no_url(head: bytes, place: str) -> None:
    """Refuse an address in place of a photo.

    Raises:
        UploadError: It is one.
    """
    if _URL.match(head):
        raise UploadError(
            f"{place} of the JSON is an address. This server fetches none: whoever sent one could reach "
            "through it what only the server reaches (server-side request forgery).",
            "Fetch the photo, and send its bytes.",
        )
