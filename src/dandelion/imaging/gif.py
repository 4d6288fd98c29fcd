"""A GIF's blocks before its first picture."""

from __future__ import annotations

_HEADER_BYTES = 13
_EXTENSION, _PICTURE, _END = b"!,;"
_CONTROL = 0xF9  # which colour is transparent


def drop_extensions(data: bytes) -> bytes:
    """The same GIF without the comments and applications' blocks before its first picture.

    Pillow joins comments in a time that grows with the square of their length: 8 MB of them take minutes.

    Raises:
        IndexError: It is cut off.
    """
    at = _HEADER_BYTES + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    kept = [data[:at]]
    while data[at] not in (_PICTURE, _END):
        start = at
        at += 1
        if data[start] == _EXTENSION:  # else a stray byte, which Pillow passes over too
            at += 1
            while length := data[at]:
                at += 1 + length
            at += 1
            if data[start + 1] == _CONTROL:
                kept.append(data[start:at])
    return b"".join([*kept, data[at:]])
