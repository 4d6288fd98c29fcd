"""The chunks of a PNG."""

from __future__ import annotations

import struct
from collections.abc import Set

from dandelion.errors import NotAnImageError

MAGIC = b"\x89PNG\r\n\x1a\n"
PICTURE = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
EXIF = b"eXIf"
# Encoders write some kilobytes of the picture into each chunk.
MAX_CHUNKS = 100_000

_LAST = {b"IDAT", b"IEND"}


def retain_chunks(data: bytes, kinds: Set[bytes]) -> bytes:
    """The same PNG with only chunks of `kinds`. Each kind appears once, before the picture's data.

    Before it, since Pillow reads chunks after the picture only when it has decoded the picture.

    Raises:
        NotAnImageError: There are more than `MAX_CHUNKS`.
    """
    first: dict[bytes, bytes] = {}
    last, at, chunks = bytearray(), len(MAGIC), 0
    while at + 8 <= len(data):
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise NotAnImageError(f"This PNG has more than {MAX_CHUNKS:,} chunks.", "Save it again.")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if kind in kinds:
            if kind in _LAST:
                last += data[at:end]
            else:
                first.setdefault(kind, data[at:end])
        if kind == b"IEND":
            break
        at = end
    return b"".join([MAGIC, *first.values(), last])
