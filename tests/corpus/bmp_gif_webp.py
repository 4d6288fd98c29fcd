"""BMP, GIF and WebP."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from dandelion.domain.arrays import Pixels
from tests.corpus.sample import HEIGHT, WIDTH, Sample, encode, over_white, pixels, plain, with_hole


def samples() -> Iterator[Sample]:
    yield from _bitmaps_and_gifs()
    yield from _webp()


def _bitmaps_and_gifs() -> Iterator[Sample]:
    looks = pixels(plain())
    for mode in ("RGB", "L", "P", "1"):
        image = plain().convert(mode)
        yield Sample("BMP", mode, encode(image, "BMP"), pixels(image), margin=1)

    def bitmap(alpha: Pixels, header: int, *, downwards: bool = False) -> bytes:
        pixel = np.dstack([looks[..., ::-1], alpha])
        body = (pixel if downwards else pixel[::-1]).tobytes()
        height = -HEIGHT if downwards else HEIGHT
        info = struct.pack("<IiiHHIIiiII", header, WIDTH, height, 1, 32, 3, len(body), 0, 0, 0, 0)
        info += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
        info = info.ljust(max(header, 56), b"\0")
        return struct.pack("<2sIHHI", b"BM", 14 + len(info) + len(body), 0, 0, 14 + len(info)) + info + body

    for header in (56, 108, 124):
        for downwards in (False, True):
            data = bitmap(np.zeros((HEIGHT, WIDTH), dtype=np.uint8), header, downwards=downwards)
            yield Sample("BMP of 32 bits, nowhere opaque", f"{header} {downwards}", data, looks, margin=0)
    holed = np.asarray(with_hole())[..., 3]
    seen = np.where(holed[..., np.newaxis] == 0, 255, looks).astype(np.uint8)
    yield Sample("BMP of 32 bits with transparency", "", bitmap(holed, 108), seen, margin=0)

    gif = encode(plain(), "GIF")
    yield Sample("GIF", "", gif, looks)
    yield Sample("GIF", "interlaced", encode(plain(), "GIF", interlace=1), looks)
    screen = np.full((HEIGHT + 30, WIDTH + 50, 3), 255, dtype=np.uint8)
    for left, top in ((0, 0), (50, 30), (20, 10)):
        seen = screen.copy()
        seen[top : top + HEIGHT, left : left + WIDTH] = looks
        frame = gif.find(b",\0\0\0\0" + struct.pack("<HH", WIDTH, HEIGHT))
        data = gif[:6] + struct.pack("<HH", WIDTH + 50, HEIGHT + 30) + gif[10 : frame + 1]
        data += struct.pack("<HH", left, top) + gif[frame + 5 :]
        yield Sample("GIF with a frame smaller than its screen", f"{left} {top}", data, seen)
    quantised = with_hole()
    yield Sample("GIF with transparency", "", encode(quantised, "GIF"), over_white(quantised))


def _webp() -> Iterator[Sample]:
    looks = pixels(plain())
    yield Sample("WEBP", "", encode(plain(), "WEBP", quality=95), looks)
    yield Sample("WEBP", "lossless", encode(plain(), "WEBP", lossless=True), looks, margin=0)
