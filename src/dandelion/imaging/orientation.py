"""Which way up a photo stands: the one tag of EXIF that is needed, read without the others.

Pillow's reader copies the bytes of every tag, and 65,535 tags may all point at the same ones: a photo of 1 MB could
ask for 50 GB. So Pillow is never given EXIF to read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Photo = npt.NDArray[np.uint8]

_TAG = 0x0112
_BYTE_ORDERS = {b"II": "<", b"MM": ">"}
_INTEGERS = {3: "H", 4: "I"}  # SHORT, as the standard says, and LONG, as some cameras write
_TRANSPOSITIONS: dict[int, Callable[[Photo], Photo]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def read_orientation(exif: bytes) -> int:
    """Which of the eight ways up EXIF says, 1 to 8; 1 when it says nothing or is broken.

    Args:
        exif: A TIFF header and what follows it, with or without `Exif` and two zeros before it.
    """
    tiff = memoryview(exif.removeprefix(b"Exif\x00\x00"))
    order = _BYTE_ORDERS.get(bytes(tiff[:2]))
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, start)
        for entry, (tag, kind) in enumerate(struct.iter_unpack(f"{order}HH8x", tiff[start + 2 :][: 12 * entries])):
            if tag == _TAG:
                (turned,) = struct.unpack_from(order + _INTEGERS[kind], tiff, start + 2 + 12 * entry + 8)
                return turned if turned in _TRANSPOSITIONS else 1
    except (struct.error, KeyError):
        pass  # a photo with broken EXIF is still a photo
    return 1


def turn_upright(photo: Photo, orientation: int) -> Photo:
    """`photo`, uint8 RGB [H, W, 3], turned or mirrored as EXIF's `orientation` asks; contiguous."""
    transpose = _TRANSPOSITIONS.get(orientation)
    return np.ascontiguousarray(photo if transpose is None else transpose(photo))
