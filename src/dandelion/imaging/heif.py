"""The boxes of HEIF and AVIF. They hold items (pictures and metadata), each a list of extents in the file."""

from __future__ import annotations

import struct
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


def read_aperture(data: bytes, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of the part of the primary picture that is shown, pixels; None if all of it is.

    Pillow's AVIF decoder passes over the clean aperture (ISO/IEC 14496-12, `clap`); that of HEIF applies it.
    """
    if b"clap" not in data:
        return None
    try:
        found = _find_primary_property(data, b"clap")
        if found is None:
            return None
        across, of, down, by, right, per, below, each = struct.unpack_from(">IIIIiIiI", data, found.body)
        columns, rows = across / of, down / by
        left, top = (width - columns) / 2 + right / per, (height - rows) / 2 + below / each
    except (struct.error, IndexError, ZeroDivisionError):
        return None  # a photo with a damaged aperture is still a photo
    box = max(0, round(left)), max(0, round(top)), min(width, round(left + columns)), min(height, round(top + rows))
    return box if box[0] < box[2] and box[1] < box[3] else None


def _find_primary_property(data: bytes, kind: bytes) -> _Box | None:
    """The property of a kind that belongs to the primary picture (ISO/IEC 23008-12: `pitm`, `ipco`, `ipma`)."""
    meta = _children(data, 0, len(data)).get(b"meta")
    parts = _children(data, meta.body + 4, meta.end) if meta else {}
    if not {b"pitm", b"iprp"} <= parts.keys():
        return None
    wide = data[parts[b"pitm"].body] > 0
    (primary,) = struct.unpack_from(">I" if wide else ">H", data, parts[b"pitm"].body + 4)
    described = _children(data, parts[b"iprp"].body, parts[b"iprp"].end)
    if not {b"ipco", b"ipma"} <= described.keys():
        return None
    properties = list(_boxes(data, described[b"ipco"].body, described[b"ipco"].end, _DEEPEST))
    belonging = _read_associations(data, described[b"ipma"]).get(primary, [])
    return next(
        (properties[at - 1] for at in belonging if 0 < at <= len(properties) and properties[at - 1].kind == kind), None
    )


def _read_associations(data: bytes, box: _Box) -> dict[int, list[int]]:
    """Which properties each item has, counted from 1."""
    version, flags, entries = (
        data[box.body],
        data[box.body + 3],
        int.from_bytes(data[box.body + 4 : box.body + 8], "big"),
    )
    number, index = 4 if version else 2, 2 if flags & 1 else 1
    found: dict[int, list[int]] = {}
    at = box.body + 8
    for _ in range(min(entries, MAX_ITEMS)):
        if at + number >= box.end:
            break
        item, count = int.from_bytes(data[at : at + number], "big"), data[at + number]
        at += number + 1
        mask = (1 << 8 * index - 1) - 1  # without the bit of what is essential
        found[item] = [
            int.from_bytes(data[each : each + index], "big") & mask for each in range(at, at + count * index, index)
        ]
        at += count * index
    return found


def _children(data: bytes, at: int, end: int) -> dict[bytes, _Box]:
    return {box.kind: box for box in reversed(list(_boxes(data, at, end, _DEEPEST)))}


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
