"""TIFF: tags that say anything cost no more than their bytes."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from dandelion.errors import NotAnImageError, PhotoError, PhotoTooLargeError, UnsupportedFormatError
from dandelion.imaging import decode, probe
from dandelion.imaging.tiff import MAX_PARTS, MAX_SEGMENTS, MAX_TAGS, extract_first_page
from tests.corpus.sample import encode, pixels, plain, xmp
from tests.corpus.tiff import tiff

SHORT, LONG = 3, 4
Tag = tuple[int, int, list[int]]
RGB: list[Tag] = [(258, SHORT, [8, 8, 8]), (262, SHORT, [2]), (277, SHORT, [3])]
DEFLATE: Tag = (259, SHORT, [8])
GREY_JPEG: list[Tag] = [(258, SHORT, [8]), (259, SHORT, [7]), (262, SHORT, [1])]


def write(width: int, height: int, *tags: Tag, data: bytes = b"") -> bytes:
    """A TIFF of these tags, with `data` right behind its header."""
    entries, values = b"", b""
    after = 8 + len(data) + len(data) % 2
    every = sorted([(256, LONG, [width]), (257, LONG, [height]), *tags])
    place = after + 2 + 12 * len(every) + 4
    for tag, kind, numbers in every:
        packed = struct.pack(f"<{len(numbers)}{'H' if kind == SHORT else 'I'}", *numbers)
        here = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", place + len(values))
        values += packed if len(packed) > 4 else b""
        entries += struct.pack("<HHI", tag, kind, len(numbers)) + here
    head = b"II*\0" + struct.pack("<I", after) + data.ljust(after - 8, b"\0")
    return head + struct.pack("<H", len(every)) + entries + bytes(4) + values


def test_a_tiff_of_these_tags_is_read() -> None:
    """So that the refusals below prove something."""
    data = zlib.compress(bytes(range(200)) * 3)
    photo = decode(write(20, 10, *RGB, DEFLATE, (273, LONG, [8]), (279, LONG, [len(data)]), data=data))
    assert photo[0, :2].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_bomb_is_refused_by_its_tags() -> None:
    data = zlib.compress(bytes(1000))
    bomb = write(30_000, 30_000, *RGB, DEFLATE, (273, LONG, [8]), (279, LONG, [len(data)]), data=data)
    assert probe(bomb).width == 30_000
    with pytest.raises(PhotoTooLargeError, match="30000 x 30000"):
        decode(bomb)


def test_strips_that_share_their_bytes_are_refused() -> None:
    """Each would be read and unpacked again: 8,000 rows of the same 30 MB."""
    data = zlib.compress(np.random.default_rng(0).bytes(60_000))
    strips: list[Tag] = [(273, LONG, [8] * 100), (278, LONG, [1]), (279, LONG, [len(data)] * 100)]
    with pytest.raises(NotAnImageError, match="share their bytes"):
        decode(write(20_000, 100, *RGB, DEFLATE, *strips, data=data))


@pytest.mark.parametrize(
    ("size", "tile", "why"),
    [((500, 60_000), (1400, 1400), "larger than its picture"), ((64, 64), (65_520, 65_520), "its tiles have")],
)
def test_tiles_that_cost_more_than_the_picture_are_refused(
    size: tuple[int, int], tile: tuple[int, int], why: str
) -> None:
    count = -(-size[0] // tile[0]) * -(-size[1] // tile[1])
    tiles: list[Tag] = [(322, LONG, [tile[0]]), (323, LONG, [tile[1]])]
    parts: list[Tag] = [(324, LONG, list(range(8, 8 + count))), (325, LONG, [1] * count)]
    with pytest.raises(NotAnImageError, match=why):
        decode(write(*size, *RGB, DEFLATE, *tiles, *parts, data=bytes(count)))


@pytest.mark.parametrize(
    "greedy",
    [
        write(20, 10, *RGB, *((1000 + each, LONG, [each]) for each in range(MAX_TAGS))),
        write(20, 10, *RGB, (273, LONG, [8] * (MAX_PARTS + 1))),
        write(20, 10, *RGB, (258, SHORT, [8] * 60_000)),
    ],
    ids=["too many tags", "too many strips", "bits of 60,000 samples"],
)
def test_more_values_than_a_picture_needs_are_refused(greedy: bytes) -> None:
    with pytest.raises(NotAnImageError):
        decode(greedy)


def of_jpegs(width: int, height: int, side: int, jpeg: bytes) -> bytes:
    """A TIFF of grey square tiles that are all this JPEG."""
    count = -(-width // side) * -(-height // side)
    tiles: list[Tag] = [(322, LONG, [side]), (323, LONG, [side]), (325, LONG, [len(jpeg)] * count)]
    tiles.append((324, LONG, [8 + number * len(jpeg) for number in range(count)]))
    return write(width, height, *GREY_JPEG, *tiles, data=jpeg * count)


def test_jpegs_share_one_limit_of_segments() -> None:
    """That of each would allow for a thousand million of them."""
    jpeg = encode(Image.new("L", (16, 16), 100), "JPEG")
    assert decode(of_jpegs(40, 40, 16, jpeg)).shape == (40, 40, 3)
    filled = jpeg[:2] + b"\xff\xfe\0\x02" * 9_000 + jpeg[2:]
    assert decode(of_jpegs(32, 32, 16, filled)).shape == (32, 32, 3)
    with pytest.raises(NotAnImageError, match=f"more than {MAX_SEGMENTS:,} segments"):
        probe(of_jpegs(64, 64, 16, filled))


def test_jpegs_in_several_scans_are_refused() -> None:
    """Each scan is another pass over a tile, most of which may lie outside the picture."""
    jpeg = encode(Image.new("L", (16, 16), 100), "JPEG", progressive=True)
    with pytest.raises(UnsupportedFormatError, match="several scans"):
        probe(of_jpegs(40, 40, 16, jpeg))


def test_a_strip_of_more_rows_than_its_part_of_the_picture_is_refused() -> None:
    """To see whether it is whole, all its rows would be decoded; only the last may have some that are not seen."""

    def of_strips(*rows: int) -> bytes:
        jpegs = [encode(Image.new("L", (16, each), 100), "JPEG") for each in rows]
        places = [8 + sum(map(len, jpegs[:number])) for number in range(len(jpegs))]
        strips: list[Tag] = [(273, LONG, places), (278, LONG, [16]), (279, LONG, [len(each) for each in jpegs])]
        return write(16, 40, *GREY_JPEG, *strips, data=b"".join(jpegs))

    for rows in ((16, 16, 8), (16, 16, 16)):
        assert (decode(of_strips(*rows)) == 100).all()
    for rows in ((16, 17, 8), (16, 16, 60_000), (16, 16, 7)):
        with pytest.raises(NotAnImageError, match="another size"):
            probe(of_strips(*rows))


def test_tags_that_claim_more_bytes_than_there_are_cost_no_memory() -> None:
    claims = [(tag, 7, 400, bytes(400), True) for tag in (700, 34675)]
    data = bytearray(tiff(pixels(plain()), extratags=claims) + bytes(20_000_000))
    for tag in (700, 34675):
        at = data.find(struct.pack("<H", tag), 8)
        struct.pack_into("<I", data, at + 4, 2**32 - 1)
    photo = bytes(data)
    tracemalloc.start()
    try:
        assert decode(photo).shape == (120, 160, 3)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * len(photo)
    finally:
        tracemalloc.stop()


def test_the_decoder_gets_nothing_but_the_first_page_of_a_picture() -> None:
    """Pillow copies the bytes of every tag, and reads XMP, EXIF and other directories."""
    secret = tiff(pixels(plain()), description="a secret", extratags=[(700, 1, len(xmp(6)), xmp(6), True)])
    page, described = extract_first_page(secret)
    (start,) = struct.unpack_from("<I", page, 4)
    (count,) = struct.unpack_from("<H", page, start)
    tags = [struct.unpack_from("<H", page, start + 2 + 12 * each)[0] for each in range(count)]
    assert set(tags) <= {256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 339}
    assert page[start + 2 + 12 * count :] == bytes(4)
    assert described.xmp == xmp(6)


def test_a_tiff_of_any_bytes_is_read_or_refused_in_time() -> None:
    rng = np.random.default_rng(0)
    files = [encode(plain(), "TIFF", compression=each) for each in ("tiff_lzw", "jpeg", "packbits", "tiff_deflate")]
    files += [tiff(pixels(plain()), tile=(64, 64)), tiff(pixels(plain()).astype(np.uint16) * 16, byteorder=">")]
    read = 0
    started = time.perf_counter()
    for _ in range(600):
        data = bytearray(files[rng.integers(len(files))])
        order = {b"II": "<", b"MM": ">"}[bytes(data[:2])]
        (at,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, at)
        for _ in range(rng.integers(1, 4)):
            where = at + 2 + rng.integers(12 * count) if rng.random() < 0.6 else rng.integers(8, len(data))
            data[where] = rng.integers(256)
        try:
            decode(bytes(data))
            read += 1
        except PhotoError:
            pass
    assert 50 < read < 550
    assert time.perf_counter() - started < 60
