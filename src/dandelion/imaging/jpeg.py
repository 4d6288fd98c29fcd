"""The segments of a JPEG, found in the same way as by libjpeg, without decoding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from dandelion.errors import NotAnImageError

# libjpeg's own script has 10 scans for a colour photo. Each further scan costs a few bytes and another pass over the
# whole picture: 1,000 of them, in 220 kB, occupied a worker for 10 s at 64 megapixels of grey.
MAX_SCANS = 100
# Photos of phones have some hundred. Each segment costs microseconds, and an empty one only four bytes.
MAX_SEGMENTS = 10_000

SCAN, END = 0xDA, 0xD9
PICTURE = 0x00  # no marker: a scan's data, up to the next marker
EXIF = 0xE1
_EXIF_NAME = b"Exif\x00\x00"
_SEQUENTIAL = {0xC0, 0xC1, 0xC9}
# Markers without a length are skipped: 0xFF of a scan's own data, restarts, fill bytes and TEM.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")


class Segment(NamedTuple):
    """A part of a JPEG, from `start` to before `end`, bytes."""

    marker: int
    start: int
    end: int


def segments(data: bytes) -> Iterator[Segment]:
    """All segments after the start marker, up to and including the end marker; stray bytes are left out.

    Raises:
        NotAnImageError: There are more than `MAX_SEGMENTS`.
    """
    at = 2
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None:
            return
        marker = data[found.start() + 1]
        if marker == END:
            yield Segment(marker, *found.span())
            return
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
        yield Segment(marker, found.start(), at)
        if marker == SCAN:
            following = _MARKER.search(data, at)
            yield Segment(PICTURE, at, following.start() if following else len(data))
    raise NotAnImageError(f"This JPEG has more than {MAX_SEGMENTS:,} segments.", "Save it again as a baseline JPEG.")


def check_scans(data: bytes) -> None:
    """Refuse a JPEG that would be decoded in more than `MAX_SCANS` passes.

    A sequential JPEG whose first scan holds every colour has no further scans, so ordinary photos are read only up to
    there.

    Raises:
        NotAnImageError: The JPEG has more scans.
    """
    scans, colours, is_sequential = 0, b"", False
    for marker, start, _ in segments(data):
        if marker in _SEQUENTIAL:
            is_sequential, colours = True, data[start + 9 : start + 10]
        elif marker == SCAN:
            scans += 1
            if is_sequential and data[start + 4 : start + 5] == colours:
                return
            if scans > MAX_SCANS:
                raise NotAnImageError(
                    f"This JPEG has more than {MAX_SCANS} scans, which no camera writes.", "Save it as a baseline JPEG."
                )


def read_exif(data: bytes) -> bytes:
    """The content of the first EXIF segment; empty if there is none."""
    for marker, start, end in segments(data):
        if marker == SCAN:
            break
        if marker == EXIF and data.startswith(_EXIF_NAME, start + 4):
            return data[start + 4 : end]
    return b""
