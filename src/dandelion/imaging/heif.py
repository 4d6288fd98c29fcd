"""The boxes of HEIF and AVIF. They hold items (pictures and metadata), each a list of extents in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dandelion.errors import NotAnImageError

# Boxes that contain boxes, and the number of bytes before the first one.
_CONTAINERS = {b"moov": 0, b"trak": 0, b"meta": 4, b"iref": 4}
_DEEPEST = 4
# A photo of 64 megapixels has some 250 tiles.
MAX_BOXES, MAX_ITEMS = 10_000, 10_000
_DESCRIBES = b"cdsc"
_PLACES = b"iloc"


class _Box(NamedTuple):
    kind: bytes
    start: int
    body: int
    end: int


def drop_metadata(data: bytes) -> bytes:
    """The same file without links from metadata to pictures, so that no decoder reads the metadata.

    Pillow reads an EXIF of any size, and a name that is not UTF-8 kills the process (pi-heif 1.4). Both formats have
    their own orientation and do not need EXIF.
    """
    changed = bytearray(data)
    for box in _all_boxes(data):
        if box.kind == _DESCRIBES:
            changed[box.start + 4 : box.start + 8] = b"free"
    return bytes(changed)


def check_items(data: bytes) -> None:
    """Refuse a file whose items add up to more than the file: decoders copy each item, and items may overlap.

    Twice the file's length is allowed, since an item of length 0 stands for the whole file.

    Raises:
        NotAnImageError: The items add up to more, or there are more than `MAX_ITEMS`.
    """
    total, items = 0, 0
    for box in _all_boxes(data):
        for size in _extent_sizes(data, box.body, box.end) if box.kind == _PLACES else ():
            total, items = total + (size or len(data)), items + 1
            if total > 2 * len(data) or items > MAX_ITEMS:
                raise NotAnImageError("The items of this image add up to more than its file.", "Save it as a JPEG.")


def _all_boxes(data: bytes) -> Iterator[_Box]:
    for number, box in enumerate(_boxes(data, 0, len(data))):
        if number == MAX_BOXES:
            raise NotAnImageError(f"This image has more than {MAX_BOXES:,} parts.", "Save it as a JPEG.")
        yield box


def _boxes(data: bytes, at: int, end: int, depth: int = 0) -> Iterator[_Box]:
    while at + 8 <= end:
        size, kind, header = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        following = min(at + size, end) if size >= header else end  # 0 stands for the rest
        yield _Box(kind, at, at + header, following)
        if kind in _CONTAINERS and depth < _DEEPEST:
            yield from _boxes(data, at + header + _CONTAINERS[kind], following, depth + 1)
        at = following


def _extent_sizes(data: bytes, at: int, end: int) -> Iterator[int]:
    """The sizes of all extents in an `ItemLocationBox` (ISO/IEC 14496-12)."""
    version, sizes = data[at : at + 1], int.from_bytes(data[at + 4 : at + 6], "big")
    offset_bytes, length_bytes, base_bytes = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    has_indices = version in {b"\x01", b"\x02"}
    index_bytes = sizes & 15 if has_indices else 0
    number_bytes = 4 if version == b"\x02" else 2
    at += 6 + number_bytes
    while at < end:
        at += number_bytes + (4 if has_indices else 2) + base_bytes
        extents = int.from_bytes(data[at : at + 2], "big")
        at += 2
        for _ in range(extents):
            at += index_bytes + offset_bytes
            if at >= end:
                return
            yield int.from_bytes(data[at : at + length_bytes], "big")
            at += length_bytes
