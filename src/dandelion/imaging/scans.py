"""Decoding the scans of a JPEG, as a whole or not at all.

libjpeg-turbo decodes almost every JPEG strictly: its first warning is an error, since it fills with grey what is cut
off. An odd JPEG is mended and decoded strictly again. Pillow's libjpeg decodes what libjpeg-turbo's interface refuses.
"""

from __future__ import annotations

import contextlib
import re
from functools import partial
from typing import cast

import numpy as np
import simplejpeg
from PIL import Image

from dandelion.domain.arrays import Pixels
from dandelion.errors import NotAnImageError, UnsupportedFormatError
from dandelion.imaging import jpeg, oddities
from dandelion.imaging.jpeg import Head
from dandelion.imaging.oddities import Mended

# Some cameras write up to 30 bytes between the picture and its end marker.
MAX_STRAY_BYTES = 32

_STRAY = re.compile(r"(\d+) extraneous bytes before marker 0x(\w\w)")
_UNKNOWN_SAMPLING = "subsampling"
_MODES = {1: "RGB", 3: "RGB", 4: "CMYK"}  # by the number of colours
_UNDECODED = (1, 254, 3, 7)  # a colour of which no photo has a whole row
# libjpeg reads up to 8 bytes ahead, and waits for them.
_AHEAD = bytes(16)
_SCALES = (8, 4, 2, 1)


def decode_scans(data: bytes, head: Head, min_side: int) -> Pixels:
    """The picture as uint8 [H, W, C]: RGB, or the inks of a picture of four colours, as they are stored.

    Args:
        data: The encoded photo.
        head: Its head.
        min_side: Pixels that each side needs; larger photos are decoded at a fraction of their size.

    Raises:
        NotAnImageError: The picture is damaged or cut off.
        UnsupportedFormatError: No decoder reads how its colours are sampled.
    """
    try:
        return _decode_strictly(data, head, min_side)
    except ValueError:
        mended = oddities.mend(data, head)
    try:
        return _decode_mended(mended, head, min_side)
    except ValueError as error:
        trimmed = mended.trim()
        if trimmed == mended:
            raise _damaged(error) from error
    try:
        return _decode_mended(trimmed, head, min_side)
    except ValueError as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> NotAnImageError:
    return NotAnImageError(f"This JPEG is damaged or cut off ({error}).", "Send the whole file.")


def _decode_mended(mended: Mended, head: Head, min_side: int) -> Pixels:
    try:
        return _decode_strictly(mended.data, head, min_side)
    except ValueError as error:
        stray = _STRAY.search(str(error))
        marker = int(stray[2], 16) if stray else 0
        has_all_restarts = oddities.has_all_restarts(mended.data, head)
        # The first warning is about the end, so there was none about the picture, unless a restart was due there.
        if stray and marker == jpeg.END and int(stray[1]) <= _stray_bytes(mended) and has_all_restarts:
            return _decode_turbo(mended.data, head, min_side, strict=False)
        if marker not in jpeg.RESTARTS and _UNKNOWN_SAMPLING not in str(error):
            raise
    return _decode_pillow(mended, head, min_side)


def _stray_bytes(mended: Mended) -> int:
    """How many bytes may follow the picture. Where no end marker does, they may be what a cut photo was joined with."""
    return MAX_STRAY_BYTES if mended.has_end else oddities.OWN_ZEROS


def _decode_turbo(data: bytes, head: Head, min_side: int, *, strict: bool) -> Pixels:
    if min(head.frame.width, head.frame.height) <= min_side:
        min_side = 0  # which means full size: a side of one pixel would seem to stay as long at any scale
    return cast(
        "Pixels",
        simplejpeg.decode_jpeg(
            data,
            colorspace=_MODES[len(head.frame.colours)],
            fastdct=True,
            fastupsample=True,
            min_height=min_side,
            min_width=min_side,
            strict=strict,
        ),
    )


_decode_strictly = partial(_decode_turbo, strict=True)


def _decode_pillow(mended: Mended, head: Head, min_side: int) -> Pixels:
    """Decode what libjpeg-turbo's interface refuses. Pillow hides every warning, so what is missing is found first."""
    frame = jpeg.read_head(mended.data).frame
    if frame != head.frame:  # it would be decoded into a picture of another size
        raise ValueError("two frames")
    most = [max(colour[axis] for colour in frame.colours) for axis in (1, 2)]
    if any(most[0] % across or most[1] % down for _, across, down in frame.colours):
        # libjpeg repeats the samples of a colour a whole number of times.
        raise UnsupportedFormatError(
            f"JPEG sampled {frame.sampling} is not supported.", "Save it again as a baseline JPEG."
        )
    side = min(frame.width, frame.height)
    scale = next(scale for scale in _SCALES if scale == 1 or side // scale >= min_side > 0)
    mode = _MODES[len(frame.colours)]
    size = -(-frame.width // scale), -(-frame.height // scale)

    def fill(encoded: bytes) -> tuple[Pixels, bool]:
        image = Image.new(mode, size, _UNDECODED[: len(mode)])
        with contextlib.suppress(ValueError):  # where there is no end
            image.frombytes(encoded, "jpeg", mode, "", scale, 0)
        photo = np.array(image)
        return photo, bool((photo[-1] != _UNDECODED[: len(mode)]).any())

    if not head.in_one_scan:
        for colour in oddities.split_colours(mended.data, frame):
            decode_scans(colour, jpeg.read_head(colour), 1)
        photo, is_whole = fill(mended.data)
        if not is_whole:
            raise ValueError("its scans do not make a picture")
        return photo
    if not oddities.has_all_restarts(mended.data, head):
        raise ValueError("restart markers are missing")
    # Without an end marker libjpeg waits where data are missing, and leaves the rows below as they were.
    scan = mended.data[: -len(oddities.END)]
    photo, is_whole = fill(scan + _AHEAD)
    if not is_whole:
        raise ValueError("premature end of data")
    # What is complete before its end is other data behind a part of the picture.
    if fill(scan[: -1 - _stray_bytes(mended)])[1]:
        raise ValueError("other data in the picture")
    return photo
