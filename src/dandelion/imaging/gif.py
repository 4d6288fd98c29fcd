"""The blocks of a GIF before its first picture."""

from __future__ import annotations

from dandelion.errors import NotAnImageError

# Three times the number in a comment of 8 MB, in blocks of 255 bytes.
MAX_BLOCKS = 100_000

_HEADER_BYTES = 13
_EXTENSION, _PICTURE, _END = b"!,;"
_CONTROL = 0xF9  # which colour is transparent


def drop_extensions(data: bytes) -> bytes:
    """The same GIF without the comments and application blocks before its first picture.

    Pillow joins comments in time quadratic in their length: 8 MB of them take minutes.

    Raises:
        IndexError: The GIF is cut off.
        NotAnImageError: The GIF has more than `MAX_BLOCKS` blocks there.
    """
    start = _HEADER_BYTES + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    control, at, blocks = b"", start, 0
    while data[at] not in (_PICTURE, _END):
        begin = at
        at += 1
        blocks += 1
        if data[begin] == _EXTENSION:  # else a stray byte, which Pillow passes over too
            at += 1
            while (length := data[at]) and blocks <= MAX_BLOCKS:
                at += 1 + length
                blocks += 1
            at += 1
            if data[begin + 1] == _CONTROL:
                control = data[begin:at]  # the last one counts
        if blocks > MAX_BLOCKS:
            raise NotAnImageError(
                f"This GIF has more than {MAX_BLOCKS:,} blocks before its picture.", "Save it again as a PNG."
            )
    return b"".join([data[:start], control, data[at:]])
