"""The orientation of a photo: the only tag of EXIF and XMP that Dandelion needs, read without the others.

Pillow's reader copies the bytes of every tag, and 65,535 tags may all point at the same bytes: a photo of 1 MB could
allocate 50 GB. So Pillow never reads EXIF here.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

import numpy as np

from dandelion.domain.arrays import Pixels

_TAG = 0x0112
_BYTE_ORDERS = {b"II": "<", b"MM": ">"}
# As an attribute or as an element.
_XMP_ORIENTATION = re.compile(rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])\s*["'<]""")
_INTEGERS = {3: "H", 4: "I"}  # SHORT, as the standard says, and LONG, as some cameras write
_TRANSPOSITIONS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def read_orientation(exif: bytes, xmp: bytes = b"") -> int:
    """The EXIF orientation, 1 to 8, or the one in XMP where EXIF has none; 1 if both are missing or damaged.

    Args:
        exif: The EXIF data from its TIFF header on, with or without `Exif` and two zeros before it.
        xmp: An XMP packet.
    """
    turned = _find_orientation(exif)
    if turned is None and xmp and (found := _XMP_ORIENTATION.search(xmp)):
        return int(found[1])
    return turned or 1


def _find_orientation(exif: bytes) -> int | None:
    tiff = memoryview(exif.removeprefix(b"Exif\x00\x00"))
    order = _BYTE_ORDERS.get(bytes(tiff[:2]))
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, start)
        for entry, (tag, kind) in enumerate(struct.iter_unpack(f"{order}HH8x", tiff[start + 2 :][: 12 * entries])):
            if tag == _TAG:
                (turned,) = struct.unpack_from(order + _INTEGERS[kind], tiff, start + 2 + 12 * entry + 8)
                return turned if turned in range(1, 9) else None
    except (struct.error, KeyError):
        pass  # a photo with damaged EXIF is still a photo
    return None


def turn_upright(photo: Pixels, orientation: int) -> Pixels:
    """`photo`, uint8 RGB [H, W, 3], turned or mirrored by EXIF's `orientation`; contiguous."""
    transpose = _TRANSPOSITIONS.get(orientation)
    return np.ascontiguousarray(photo if transpose is None else transpose(photo))
