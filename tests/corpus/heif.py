"""AVIF and HEIC."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.corpus.sample import UNDO, WIDTH, Sample, box, encode, exif, pixels, plain


def samples() -> Iterator[Sample]:
    looks = pixels(plain())
    yield Sample("AVIF", "", encode(plain(), "AVIF", quality=95), looks)
    for subsampling in ("4:4:4", "4:2:0", "4:0:0"):
        seen = pixels(plain().convert("L")) if subsampling == "4:0:0" else looks
        yield Sample("AVIF", subsampling, encode(plain(), "AVIF", quality=95, subsampling=subsampling), seen)
    yield Sample("HEIC", "", encode(plain(), "HEIF"), looks)
    yield Sample("HEIC", "grey", encode(plain().convert("L"), "HEIF"), pixels(plain().convert("L")))
    yield Sample("HEIC turned by EXIF and itself", "6", encode(UNDO[6](plain()), "HEIF", exif=exif(6)), looks)
    yield Sample("HEIC turned by EXIF and itself", "5", encode(UNDO[5](plain()), "HEIF", exif=exif(5)), looks)
    for name, (columns, rows, left, top) in {"middle": (80, 60, 40, 30), "corner": (64, 48, 0, 0)}.items():
        data = with_aperture(encode(plain(), "AVIF", quality=95), columns, rows, left, top)
        yield Sample("AVIF with an aperture", name, data, looks[top : top + rows, left : left + columns])
        stored = encode(UNDO[6](plain()), "AVIF", quality=95, exif=exif(6))
        data = with_aperture(stored, rows, columns, top, WIDTH - left - columns)
        yield Sample("AVIF with an aperture", f"{name}, turned", data, looks[top : top + rows, left : left + columns])
    data = with_aperture(encode(plain(), "AVIF", quality=95), 0, 0, 0, 0)
    yield Sample("AVIF with an aperture", "of nothing", data, looks)


def with_aperture(avif: bytes, columns: int, rows: int, left: int, top: int) -> bytes:
    """An AVIF of one picture, of which only a part is shown."""
    width, height = struct.unpack_from(">II", avif, avif.find(b"ispe") + 8)
    halves = (2 * left + columns - width, 2, 2 * top + rows - height, 2)
    clap = box(b"clap", struct.pack(">IIIIiIiI", columns, 1, rows, 1, *halves))
    at = avif.find(b"ipco") - 4
    end = at + int.from_bytes(avif[at : at + 4], "big")
    properties = sum(1 for _ in _boxes(avif, at + 8, end))
    link = avif.find(b"ipma")
    data = bytearray(avif)
    # One item's list of properties grows by one byte, behind the size, the rotation stays behind the aperture.
    count = link + 4 + 4 + 4 + 2
    data[count] += 1
    first = count + 1
    data[first + 1 : first + 1] = bytes([0x80 | properties + 1])
    data[end:end] = clap
    for name, grown in ((b"ipco", len(clap)), (b"ipma", 1), (b"iprp", len(clap) + 1), (b"meta", len(clap) + 1)):
        size = data.find(name) - 4
        struct.pack_into(">I", data, size, int.from_bytes(data[size : size + 4], "big") + grown)
    place = data.find(b"iloc")
    # Of each item: number, source, count, place and size, of one extent.
    items = int.from_bytes(data[place + 10 : place + 12], "big")
    for item in range(items):
        offset = place + 12 + item * 14 + 6
        struct.pack_into(">I", data, offset, int.from_bytes(data[offset : offset + 4], "big") + len(clap) + 1)
    return bytes(data)


def _boxes(data: bytes, at: int, end: int) -> Iterator[bytes]:
    while at < end:
        yield data[at + 4 : at + 8]
        at += int.from_bytes(data[at : at + 4], "big")
