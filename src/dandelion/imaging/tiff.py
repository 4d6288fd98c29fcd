"""TIFF: the first page's tags, checked, in a file of nothing but what its decoder needs.

libtiff allocates and decodes whatever the tags say, and a few bytes of them may say anything. So only tags of the
picture are left to it, in a directory of their own, and only if they fit each other and the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from PIL import TiffImagePlugin

from dandelion.errors import NotAnImageError, UnsupportedFormatError
from dandelion.imaging import formats, jpeg, oddities, png
from dandelion.imaging.colour import MAX_PROFILE_BYTES
from dandelion.imaging.scans import decode_scans

# One reader for all pictures: Pillow's own, for those without compression, misreads 16 bits in planes.
TiffImagePlugin.READ_LIBTIFF = True

STARTS = {b"II*\x00": "<", b"MM\x00*": ">"}
# Scanners write a strip for each row.
MAX_PARTS = 100_000
MAX_TAGS = 1000
# Of all its JPEGs together, with the tables that they share: ten of each are usual, and each costs microseconds.
MAX_SEGMENTS = 100_000
_MAX_TABLES_BYTES = 2**13
_MAX_XMP_BYTES = 2**20
# Tiles may reach beyond the picture, and are decoded whole. Programs write tiles of up to 1024 x 1024 pixels.
_MAX_TILE_PIXELS = 2**21
_MAX_WASTE = 2

_TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B"}  # by their number: bytes, text, SHORT, LONG, anything
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _COLOURS, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_OFFSETS, _SAMPLES, _ROWS, _SIZES, _PLANES, _PREDICTOR, _PALETTE = 273, 277, 278, 279, 284, 317, 320
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_SIZES = 322, 323, 324, 325
_SUBFILE, _EXTRA, _SAMPLE_FORMAT, _TABLES, _SUBSAMPLING = 254, 338, 339, 347, 530
_XMP, _PROFILE, _DNG = 700, 34675, 50706
_OF_STRIPS, _OF_TILES = {_OFFSETS, _ROWS, _SIZES}, {_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_SIZES}
# What is left to the decoder, and how many values each tag may have.
_PICTURE = {
    **dict.fromkeys((_WIDTH, _HEIGHT, _COMPRESSION, _COLOURS, _SAMPLES, _ROWS, _PLANES), 1),
    **dict.fromkeys((_PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT), 1),
    **dict.fromkeys((_OFFSETS, _SIZES, _TILE_OFFSETS, _TILE_SIZES), MAX_PARTS),
    **dict.fromkeys((_BITS, _EXTRA), 100),
    _SUBSAMPLING: 2,
    _PALETTE: 3 * 256,
    _TABLES: _MAX_TABLES_BYTES,
}
# What is read of others: of a profile that is too long, enough to see that it is.
_ALSO_READ = {
    **dict.fromkeys((_SUBFILE, _FILL_ORDER), 1),
    _SAMPLE_FORMAT: 100,
    _DNG: 4,
    _XMP: _MAX_XMP_BYTES,
    _PROFILE: MAX_PROFILE_BYTES + 1,
}

_NONE, _LZW, _JPEG, _DEFLATE, _OLD_DEFLATE, _PACKBITS = 1, 5, 7, 8, 32946, 32773
_READABLE = {_NONE, _LZW, _JPEG, _DEFLATE, _OLD_DEFLATE, _PACKBITS}
_COMPRESSIONS = {
    **dict.fromkeys((2, 3, 4), "as a fax"),
    6: "as an old kind of JPEG",
    34712: "as JPEG 2000",
    34925: "by LZMA",
    50000: "by Zstandard",
    50001: "as WebP",
    **dict.fromkeys((50002, 52546), "as JPEG XL"),
}
_INVERTED, _GREY, _RGB, _INDEXED, _INKS, _LUMA = 0, 1, 2, 3, 5, 6
# Bits of each sample, by the kind of colours.
_LAYOUTS: dict[int, set[tuple[int, ...]]] = {
    _INVERTED: {(1,), (2,), (4,), (8,)},
    _GREY: {(1,), (2,), (4,), (8,), (16,), (8, 8)},
    _RGB: {(8, 8, 8), (8, 8, 8, 8), (16, 16, 16), (16, 16, 16, 16)},
    _INDEXED: {(1,), (2,), (4,), (8,)},
    _INKS: {(8, 8, 8, 8)},
    _LUMA: {(8, 8, 8)},
}
# What more samples than colours are: nothing said, anything, alpha that colours are multiplied by, other alpha.
_EXTRAS: dict[tuple[int, ...], set[tuple[int, ...]]] = {
    (8, 8): {(2,)},
    (8, 8, 8, 8): {(), (0,), (1,), (2,)},
    (16, 16, 16, 16): {(), (2,)},
}
_SENSOR = {32803, 34892}  # colours of raw files
_UNSIGNED, _UNDEFINED, _USUAL_ORDER, _REDUCED = 1, 4, 1, 1

_REMEDY = "Save it as a TIFF of 8 or 16 bits without transparency, or as a JPEG."
_CONVERT = "Convert it, such as by `magick photo.tif photo.jpg`."

_Part = tuple[int, int]  # where it begins, and its size, bytes


@dataclass(slots=True)
class Description(png.Description):
    """What the first page says of its picture besides its size.

    Attributes:
        exif: The whole file.
        tables: What its JPEGs share.
        jpegs: The place and the size of each JPEG that its picture consists of, bytes; empty if it has none.
    """

    tables: bytes = b""
    jpegs: Sequence[_Part] = ()

    def check_jpegs(self) -> None:
        """Refuse a picture of JPEGs of which one is not whole: libtiff would leave grey what is missing.

        It decodes them at an eighth of their size.

        Raises:
            PhotoError: A JPEG is damaged or cut off, or of a kind that is not supported.
        """
        for part in self.jpegs:
            data = _join(self.tables, self.exif, part)
            try:
                decode_scans(data, jpeg.read_head(data), 1)
            except NotAnImageError as error:
                raise _damaged("a JPEG in it is not whole") from error

    def read_profile(self, max_bytes: int) -> bytes:
        """The colour profile, which is not packed; empty if there is none, or it is larger than `max_bytes`."""
        return self.profile if len(self.profile) <= max_bytes else b""


class _Entry(NamedTuple):
    raw: bytes
    values: Sequence[int]  # bytes where there may be many


def extract_first_page(data: bytes) -> tuple[bytes, Description]:
    """The TIFF with a directory of the first page's picture and nothing else, and what it says of the picture.

    Raises:
        NotAnImageError: The first page is damaged, or cut off.
        UnsupportedFormatError: It is a camera's raw file, or its kind of TIFF is not supported.
    """
    order = STARTS[data[:4]]
    try:
        tags = _read_tags(data, order)
    except NotAnImageError as error:
        if formats.is_raw(data):
            raise UnsupportedFormatError(*formats.RAW) from error
        raise
    one = {tag: entry.values[0] for tag, entry in tags.items() if entry.values}
    if _DNG in tags or one.get(_SUBFILE, 0) & _REDUCED or one.get(_COLOURS) in _SENSOR:
        raise UnsupportedFormatError(*formats.RAW)
    bits = _check_layout(data, tags, one)
    parts = _check_parts(data, tags, one, bits)
    at = len(data) + len(data) % 2
    # To libtiff a tag of tiles is enough, and offsets of strips are those of tiles.
    unused = _OF_STRIPS if _OF_TILES & tags.keys() else set()
    kept = [tags[tag].raw for tag in sorted((_PICTURE.keys() & tags.keys()) - unused)]
    directory = struct.pack(f"{order}H", len(kept)) + b"".join(kept) + bytes(4)
    page = b"".join([data[:4], struct.pack(f"{order}I", at), memoryview(data)[8:], bytes(at - len(data)), directory])
    xmp, profile = (bytes(tags[tag].values) if tag in tags else b"" for tag in (_XMP, _PROFILE))
    described = Description(depth=max(bits), colours=_RGB, exif=data, xmp=xmp, profile=profile)
    if one.get(_COMPRESSION) == _JPEG:
        described.tables, described.jpegs = _read_tables(tags), parts
    return page, described


def _read_tags(data: bytes, order: str) -> dict[int, _Entry]:
    tags: dict[int, _Entry] = {}
    try:
        (at,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, at)
        if at < 8 or not 0 < count <= MAX_TAGS:
            raise _damaged("its directory holds no tags, or too many")
        for start in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, length = struct.unpack_from(f"{order}HHI", data, start)
            most = (_PICTURE | _ALSO_READ).get(tag)
            if most is None or tag in tags:
                continue
            if kind not in _TYPES or not length or (length > most and tag in _PICTURE):
                raise _damaged(f"its tag {tag} is none of a picture's")
            is_near = struct.calcsize(f"{order}{length}{_TYPES[kind]}") <= 4
            place = start + 8 if is_near else struct.unpack_from(f"{order}I", data, start + 8)[0]
            length = min(length, most)
            if tag in {_XMP, _PROFILE}:
                values: Sequence[int] = data[place : place + length]
            else:
                values = struct.unpack_from(f"{order}{length}{_TYPES[kind]}", data, place)
            tags[tag] = _Entry(data[start : start + 12], values)
    except struct.error as error:
        raise _damaged("it is cut off before its picture's tags end") from error
    return tags


def _check_layout(data: bytes, tags: dict[int, _Entry], one: dict[int, int]) -> tuple[int, ...]:
    """The bits of each sample of a picture that the decoder reads right."""
    compression, colours, samples = one.get(_COMPRESSION, _NONE), one.get(_COLOURS, -1), one.get(_SAMPLES, 1)
    bits = tuple(tags[_BITS].values) if _BITS in tags else (1,)
    if len(bits) == 1 and 0 < samples <= 4:
        bits *= samples
    extra = tuple(tags[_EXTRA].values) if _EXTRA in tags else ()
    kinds = set(tags[_SAMPLE_FORMAT].values) if _SAMPLE_FORMAT in tags else set()
    palette = tags[_PALETTE].values if _PALETTE in tags else ()
    if compression not in _READABLE:
        named = _COMPRESSIONS.get(compression, f"by method {compression}")
        raise _unsupported(data, f"compressed {named}", _CONVERT)
    if not kinds <= {_UNSIGNED, _UNDEFINED}:
        raise UnsupportedFormatError("TIFF of floating-point or signed samples is not supported.", _REMEDY)
    is_jpeg, is_in_planes = compression == _JPEG, samples > 1 and one.get(_PLANES, 1) != 1
    fits = (
        bits in _LAYOUTS.get(colours, set()) and len(bits) == samples and extra in _EXTRAS.get(bits, {()}),
        not (colours == _INKS and extra),
        # Some programs write 8 bits of each colour where 16 belong.
        colours != _INDEXED or (len(palette) == 3 << bits[0] and max(palette) > 0xFF),
        is_jpeg or colours != _LUMA,
        not is_jpeg or (colours in {_GREY, _RGB, _LUMA} and bits in {(8,), (8, 8, 8)}),
        not is_in_planes or (colours in {_RGB, _INKS} and max(bits) == 8 and not is_jpeg),
        one.get(_FILL_ORDER, 1) == _USUAL_ORDER and one.get(_PREDICTOR, 1) in {1, 2},
    )
    if not all(fits):
        what = f"{len(bits)} samples of {max(bits)} bits in colours of kind {colours}"
        raise _unsupported(data, f"laid out in an unusual way ({what})", _REMEDY)
    return bits


def _unsupported(data: bytes, how: str, remedy: str) -> UnsupportedFormatError:
    if formats.is_raw(data):  # those of some makers have another layout, and nothing else tells them apart
        return UnsupportedFormatError(*formats.RAW)
    return UnsupportedFormatError(f"TIFF {how} is not supported.", remedy)


def _check_parts(data: bytes, tags: dict[int, _Entry], one: dict[int, int], bits: tuple[int, ...]) -> list[_Part]:
    """The strips or tiles, which make the picture, lie inside the file, and share no bytes."""
    width, height = one.get(_WIDTH, 0), one.get(_HEIGHT, 0)
    if not width or not height:
        raise _damaged(f"it has {width} x {height} pixels")
    is_tiled = bool(_OF_TILES & tags.keys())
    if is_tiled:
        across, down = one.get(_TILE_WIDTH, 0), one.get(_TILE_HEIGHT, 0)
        if not 0 < across * down <= _MAX_TILE_PIXELS:
            raise _damaged(f"its tiles have {across} x {down} pixels")
    else:
        across, down = width, min(one.get(_ROWS, height), height)
        if not down:
            raise _damaged("its strips have no rows")
    count = -(-width // across) * -(-height // down)
    if is_tiled and count * across * down > _MAX_WASTE * (width * height + _MAX_TILE_PIXELS):
        raise _damaged("its tiles are larger than its picture")
    if one.get(_PLANES, 1) != 1:
        count *= len(bits)
    empty = _Entry(b"", ())
    offsets = tags.get(_TILE_OFFSETS if is_tiled else _OFFSETS, empty).values
    sizes = tags.get(_TILE_SIZES if is_tiled else _SIZES, empty).values
    if not len(offsets) == len(sizes) == count:
        raise _damaged(f"it has {len(offsets)} parts of the {count} that its picture needs")
    if any(at + size > len(data) for at, size in zip(offsets, sizes, strict=True)):
        raise NotAnImageError("This TIFF is cut off: a part of its picture is missing.", "Send the whole file.")
    if sum(sizes) > len(data):  # each would be read and unpacked again
        raise _damaged("its parts share their bytes")
    parts = list(zip(offsets, sizes, strict=True))
    if one.get(_COMPRESSION) == _JPEG:
        heights = (down if is_tiled else min(down, height - top) for top in range(0, count * down, down))
        tables = _read_tables(tags)
        _check_jpegs((_join(tables, data, part) for part in parts), across, heights, down)
    return parts


def _check_jpegs(jpegs: Iterable[bytes], columns: int, heights: Iterable[int], most_rows: int) -> None:
    """Refuse JPEGs of another size than their parts of the picture, or that take more passes or steps than usual."""
    segments = 0
    for data, rows in zip(jpegs, heights, strict=True):
        segments += sum(1 for _ in jpeg.segments(data))
        if segments > MAX_SEGMENTS:
            raise _damaged(f"its JPEGs have more than {MAX_SEGMENTS:,} segments")
        head = jpeg.read_head(data)
        if not head.in_one_scan:
            raise UnsupportedFormatError("TIFF of JPEGs in several scans is not supported.", _CONVERT)
        # The last strip may have as many rows as the others.
        if head.frame.width != columns or not rows <= head.frame.height <= most_rows:
            raise _damaged("a JPEG in it has another size than its part of the picture")
        if not data.rstrip(b"\0").endswith(oddities.END):
            raise _damaged("a JPEG in it has no end")


def _read_tables(tags: dict[int, _Entry]) -> bytes:
    # Between a start and an end of their own.
    return bytes(tags[_TABLES].values)[2:].rstrip(b"\0").removesuffix(oddities.END) if _TABLES in tags else b""


def _join(tables: bytes, data: bytes, part: _Part) -> bytes:
    at, size = part
    return b"".join([data[at : at + 2], tables, memoryview(data)[at + 2 : at + size]])


def _damaged(why: str) -> NotAnImageError:
    return NotAnImageError(f"This TIFF is damaged or cut off: {why}.", "Send the whole file, or save it again.")
