"""The chunks of a PNG."""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import NamedTuple

from dandelion.errors import NotAnImageError

MAGIC = b"\x89PNG\r\n\x1a\n"
PICTURE = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
EXIF = b"eXIf"
# The first chunk of what Xcode writes into apps: its data lack their header, and red and blue are swapped.
APPLE_OPTIMISED = b"CgBI"
# Encoders write some kilobytes of the picture into each chunk.
MAX_CHUNKS = 100_000

_LAST = {b"IDAT", b"IEND"}
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_XMP = b"XML:com.adobe.xmp"
# ImageMagick writes EXIF as a text in hexadecimal digits.
_NAMES = {_XMP: b"XMP", b"Raw profile type exif": b"EXIF", b"Raw profile type APP1": b"EXIF"}
_KEYWORD_BYTES = 80
_MAX_TEXT_BYTES = 2**20
# Enough for the 64 kB of EXIF that a JPEG can hold.
_MAX_DIGITS_BYTES = 2**18
# How many samples are colours, by the type of colours: grey, RGB, grey with alpha, RGB with alpha.
_COLOURS = {0: 1, 2: 3, 4: 1, 6: 3}
_CLEAR = {0, 2}  # the types of which a colour may be clear; Pillow reads that of a palette
# After the keyword of an iTXt: whether it is compressed, and how; then a language and a translated keyword.
_INTERNATIONAL_BYTES = 2


class Chunk(NamedTuple):
    """A part of a PNG: its kind, and its bytes from `start`, where its length stands, to before `end`."""

    kind: bytes
    start: int
    end: int


@dataclass(slots=True)
class Description:
    """What a PNG says of its picture.

    Attributes:
        depth: Bits of a sample; 0 if it does not say.
        colours: Its type of colours, as it is stored.
        significant_bits: The most bits of a sample that the camera measured; 0 if it does not say.
        transparent: The grey, or the red, green and blue, that is clear, in `depth` bits; empty if none is.
        profile: The colour profile, as it is stored: a name, and compressed data; empty if there is none.
    """

    depth: int = 0
    colours: int = 0
    significant_bits: int = 0
    transparent: tuple[int, ...] = ()
    exif: bytes = b""
    xmp: bytes = b""
    profile: bytes = b""

    def read_profile(self, max_bytes: int) -> bytes:
        """The colour profile, unpacked; empty if there is none, or it is damaged or larger than `max_bytes`."""
        _, _, packed = self.profile.partition(b"\0")
        return _inflate(packed[1:], max_bytes)


def chunks(data: bytes) -> Iterator[Chunk]:
    """All chunks, up to and including the end's.

    Raises:
        NotAnImageError: There are more than `MAX_CHUNKS`.
    """
    at = len(MAGIC)
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        yield Chunk(kind, at, at + 12 + length)
        if kind == b"IEND":
            return
        at += 12 + length
    raise NotAnImageError(f"This PNG has more than {MAX_CHUNKS:,} chunks.", "Save it again.")


def retain_chunks(data: bytes, kinds: Set[bytes]) -> bytes:
    """The same PNG with only chunks of `kinds`. Each kind appears once, before the picture's data.

    Before it, since Pillow reads chunks after the picture only when it has decoded the picture.

    Raises:
        NotAnImageError: There are more than `MAX_CHUNKS`.
    """
    first: dict[bytes, bytes] = {}
    last = bytearray()
    for kind, start, end in chunks(data):
        if kind in kinds:
            if kind in _LAST:
                last += data[start:end]
            else:
                first.setdefault(kind, data[start:end])
    return b"".join([MAGIC, *first.values(), last])


def with_profile(data: bytes, profile: bytes) -> bytes:
    """The same PNG with a colour profile behind its header, by a name that says nothing."""
    body = b"iCCP" + b"profile\0\0" + zlib.compress(profile)
    header = next(chunk.end for chunk in chunks(data))
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return b"".join([data[:header], chunk, data[header:]])


def describe(data: bytes) -> Description:
    """What the PNG says of its picture besides its size.

    Raises:
        NotAnImageError: There are more than `MAX_CHUNKS`.
    """
    found = Description()
    tried: set[bytes] = set()
    for kind, start, end in chunks(data):
        if kind == b"IDAT":
            continue
        body = data[start + 8 : end - 4]
        if kind == b"IHDR" and len(body) > 9 and not found.depth:
            found.depth, found.colours = body[8], body[9]
        elif kind == b"sBIT":
            found.significant_bits = max(body[: _COLOURS.get(found.colours, 0)], default=0)
        elif kind == b"tRNS" and found.colours in _CLEAR and len(body) == 2 * _COLOURS[found.colours]:
            found.transparent = struct.unpack(f">{_COLOURS[found.colours]}H", body)
        elif kind == b"iCCP" and not found.profile:
            found.profile = body
        elif kind == EXIF and not found.exif:
            found.exif = body
        elif kind in _TEXTS:
            keyword = body[:_KEYWORD_BYTES].partition(b"\0")[0]
            # Only the first of each: a file of 32 MB holds 30,000 that are unpacked to a megabyte.
            if keyword in _NAMES and _NAMES[keyword] not in tried:
                tried.add(_NAMES[keyword])
                _read_text(found, kind, keyword, body[len(keyword) + 1 : _MAX_TEXT_BYTES])
    return found


def _read_text(found: Description, kind: bytes, keyword: bytes, text: bytes) -> None:
    is_packed = kind == b"zTXt"
    if kind == b"iTXt":
        is_packed = text[:1] == b"\x01"
        text = text[_INTERNATIONAL_BYTES:].split(b"\0", 2)[-1]
    elif is_packed:
        text = text[1:]  # how it is packed
    most = _MAX_TEXT_BYTES if keyword == _XMP else _MAX_DIGITS_BYTES
    text = _inflate(text, most) if is_packed else text[:most]
    if keyword == _XMP:
        found.xmp = text
    elif not found.exif:
        with contextlib.suppress(ValueError):
            # A line with a name, one with a length, and the digits.
            found.exif = bytes.fromhex(b"".join(text.split(None, 2)[2:]).decode("ascii"))


def _inflate(packed: bytes, max_bytes: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(packed, max_bytes)
    except zlib.error:
        return b""
    return unpacked if unpacker.eof else b""
