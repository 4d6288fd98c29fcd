"""Decoding: every format, every orientation, and everything that is not a photo."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pillow_heif  # writes HEIC, which the reader that we use cannot
import pytest
from PIL import Image

from dandelion.domain import InputSpec
from dandelion.domain.arrays import Pixels
from dandelion.errors import NotAnImageError, PhotoTooLargeError, UnsupportedFormatError
from dandelion.imaging import decode, prepare, probe
from dandelion.imaging.decode import MAX_PIXELS, orientation
from dandelion.imaging.gif import drop_extensions
from dandelion.imaging.heif import drop_metadata, read_aperture
from dandelion.imaging.jpeg import check_scans
from dandelion.imaging.orientation import read_orientation
from dandelion.imaging.png import PICTURE, describe, retain_chunks
from dandelion.imaging.prepare import crop_box
from tests.corpus.sample import UNDO
from tests.corpus.tiff import tiff as write_tiff


def picture(width: int = 64, height: int = 48) -> Image.Image:
    """Red above, blue below, a green corner at the top left: no two orientations look the same."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[: height // 2] = (220, 30, 30)
    pixels[height // 2 :] = (30, 30, 220)
    pixels[: height // 4, : width // 4] = (30, 220, 30)
    return Image.fromarray(pixels)


def encode(image: Image.Image, fmt: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, fmt, **options)
    return stream.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "AVIF", "TIFF"])
def test_each_format_gives_rgb_of_its_size_and_colours(fmt: str) -> None:
    photo = decode(encode(picture(), fmt))
    assert photo.shape == (48, 64, 3)
    assert photo.dtype == np.uint8
    assert abs(photo[40, 60].astype(int) - (30, 30, 220)).max() < 45


def test_a_photo_of_a_phone_in_heic_is_read_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # how a phone held upright stores it
    stored = pillow_heif.from_pillow(picture().transpose(Image.Transpose.ROTATE_90))
    stream = io.BytesIO()
    stored.save(stream, quality=90, exif=exif.tobytes())
    photo = decode(stream.getvalue())
    assert photo.shape == (48, 64, 3)
    assert abs(photo[40, 60].astype(int) - (30, 30, 220)).max() < 45


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_photo_stands_upright_whatever_its_exif_orientation(fmt: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = UNDO[orientation](picture()) if orientation > 1 else picture()
    photo = decode(encode(stored, fmt, exif=exif))
    assert abs(photo.astype(int) - np.asarray(picture()).astype(int)).mean() < 6


def tiff(order: str, *entries: tuple[int, int, bytes], tail: bytes = b"") -> bytes:
    """EXIF of entries: tag, type and the field of 4 bytes, each said to hold one value."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}IH", 8, len(entries))
    return head + b"".join(struct.pack(f"{order}HHI", tag, kind, 1) + value for tag, kind, value in entries) + tail


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["H", "I"])
def test_orientation_is_read_in_both_byte_orders_and_as_a_short_or_a_long(order: str, kind: str) -> None:
    value = struct.pack(order + kind, 6).ljust(4, b"\0")
    entries = ((0x0110, 2, b"abc\0"), (0x0112, {"H": 3, "I": 4}[kind], value))
    assert read_orientation(tiff(order, *entries)) == 6
    assert read_orientation(b"Exif\0\0" + tiff(order, *entries)) == 6


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"II*\0",
        tiff(">", (0x0112, 3, b"\0\x09\0\0")),
        tiff(">", (0x0112, 3, b"\0\0\0\0")),
        tiff(">", (0x0112, 11, struct.pack(">f", float("inf")))),
        tiff(">", (0x0112, 3, b"\0\x06\0\0"))[:-8],
        b"MM\0*\xff\xff\xff\xff",
    ],
    ids=["empty", "name", "cut", "nine", "zero", "infinite", "entry cut", "far away"],
)
def test_exif_that_says_no_way_up_leaves_a_photo_as_it_is(exif: bytes) -> None:
    assert read_orientation(exif) == 1
    assert decode(encode(picture(), "PNG", exif=exif or b"Exif\0\0")).shape == (48, 64, 3)


def greedy_exif(tags: int, size_bytes: int) -> bytes:
    """Tags that all point at the same bytes, which a reader of all of them copies once a tag."""
    at = 8 + 2 + 12 * tags + 4
    entries = b"".join(struct.pack(">HHII", 1000 + tag, 7, size_bytes, at) for tag in range(tags))
    return b"Exif\0\0MM\0*" + struct.pack(">IH", 8, tags) + entries + bytes(4 + size_bytes)


def encode_heic(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream, **options)
    return stream.getvalue()


def in_segments(jpeg: bytes, exif: bytes) -> bytes:
    """`jpeg` with `exif` in as many segments as it needs, which Pillow joins, and without JFIF."""
    jfif = jpeg.find(b"\xff\xe0")
    without = jpeg if jfif < 0 else jpeg[:jfif] + jpeg[jfif + 2 + int.from_bytes(jpeg[jfif + 2 : jfif + 4], "big") :]
    parts = [b"Exif\0\0" + exif[at : at + 60_000] for at in range(6, len(exif), 60_000)]
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part for part in parts)
    return without[:2] + segments + without[2:]


@pytest.mark.parametrize("fmt", ["JPEG", "CMYK", "PNG", "WEBP", "AVIF", "HEIF"])
def test_exif_costs_no_more_memory_than_its_bytes(fmt: str) -> None:
    exif = greedy_exif(4000, 60_000)  # 240 MB when all is read
    photo = {
        "JPEG": lambda: in_segments(encode(picture(), "JPEG"), exif),
        "CMYK": lambda: in_segments(encode(picture().convert("CMYK"), "JPEG"), exif),
        "HEIF": lambda: encode_heic(picture(), exif=exif),
    }.get(fmt, lambda: encode(picture(), fmt, exif=exif))()
    decode(encode(picture(), "PNG"))  # imports are no part of it
    tracemalloc.start()
    try:
        decode(photo)
        orientation(photo)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_large_jpeg_is_decoded_at_a_fraction_that_still_covers_what_is_needed() -> None:
    photo = decode(encode(picture(2000, 1500), "JPEG"), min_side=200)
    assert 200 <= min(photo.shape[:2]) < 400


def test_reduced_decoding_and_full_decoding_give_the_model_nearly_the_same() -> None:
    spec = InputSpec(96, 96)
    jpeg = encode(picture(2000, 1500), "JPEG", quality=95)
    png = encode(picture(2000, 1500), "PNG")
    assert abs(prepare(jpeg, spec).astype(int) - prepare(png, spec).astype(int)).mean() < 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
def test_a_large_png_is_averaged_down_in_tiles_as_a_whole_would_be(mode: str) -> None:
    grey = np.asarray(picture(2500, 1300).convert("L")).astype(np.uint16) * 257
    image = Image.fromarray(grey) if mode == "I;16" else picture(2500, 1300).convert(mode)
    png = encode(image, "PNG", compress_level=1)
    whole, small = decode(png), decode(png, min_side=150)
    assert small.shape == (163, 313, 3)
    assert abs(small.astype(int) - np.asarray(Image.fromarray(whole).reduce(8))).max() <= 1


def test_what_is_clear_does_not_colour_what_is_averaged() -> None:
    pixels = np.zeros((400, 400, 4), dtype=np.uint8)
    pixels[:, ::2] = (200, 0, 0, 255)  # between columns of clear black
    photo = decode(encode(Image.fromarray(pixels), "PNG"), min_side=100)
    assert photo.shape == (100, 100, 3)
    assert abs(photo[50, 50].astype(int) - (227, 127, 127)).max() <= 1


# How much higher than before a process comes: in a process of its own, since the highest is never forgotten. By the
# kernel's own file, since what getrusage() tells begins with the peak of the process that started this one.
PEAK = """
import sys
from pathlib import Path
from dandelion.imaging import decode
def peak(): return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
photo, before = sys.stdin.buffer.read(), peak()
decode(photo, min_side=int(sys.argv[1]) or None)
print(peak() - before)
"""


def plain_png(colours: int, depth: int, pixel_bytes: int, *extra: bytes) -> bytes:
    side, packer = 4000, zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + side * pixel_bytes)) for _ in range(side)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colours, 0, 0, 0))
    return b"".join([b"\x89PNG\r\n\x1a\n", header, *extra, chunk(b"IDAT", rows), chunk(b"IEND", b"")])


def gif_on_a_screen() -> bytes:
    gif = encode(Image.new("P", (4000, 3990)), "GIF", transparency=0)
    return gif[:6] + struct.pack("<HH", 4000, 4000) + gif[10:]


def bitmap_of_no_alpha() -> bytes:
    info = struct.pack("<IiiHHIIiiII", 56, 4000, 4000, 1, 32, 3, 64_000_000, 0, 0, 0, 0)
    info += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    return struct.pack("<2sIHHI", b"BM", 64_000_070, 0, 0, 70) + info + bytes(64_000_000)


def tiff_in_one_strip() -> bytes:
    """The strip is unpacked as a whole beside the picture."""
    return write_tiff(
        np.zeros((4000, 4000, 3), dtype=np.uint16), compression="zlib", compressionargs={"level": 1}, rowsperstrip=4000
    )


@pytest.mark.parametrize(
    ("photo", "own_mb"),
    [
        (plain_png(0, 16, 2), 32),
        (plain_png(3, 8, 1, chunk(b"PLTE", bytes(768)), chunk(b"tRNS", bytes([0, 128] * 128))), 16),
        (plain_png(6, 8, 4), 64),
        (plain_png(2, 16, 6), 64),
        (plain_png(4, 16, 4), 64),
        (gif_on_a_screen(), 16),
        (bitmap_of_no_alpha(), 64),
        (tiff_in_one_strip(), 64 + 96),
    ],
    ids=[
        *("grey in 16 bits", "palette with transparency", "RGBA", "colour in 16 bits", "grey with alpha in 16 bits"),
        *("GIF", "BMP", "TIFF of 16 bits in one strip"),
    ],
)
def test_a_large_photo_is_held_once_on_its_way_down(photo: bytes, own_mb: int, tmp_path: Path) -> None:
    file = tmp_path / "photo"
    file.write_bytes(photo)

    def measure(side: str) -> int:
        with file.open("rb") as stream:  # not a pipe, for which memory would grow beyond the photo
            command = [sys.executable, "-c", PEAK, side]
            return int(subprocess.run(command, stdin=stream, capture_output=True, check=True).stdout)

    small, full = measure("1"), measure("0")
    assert small < own_mb + 32
    assert full < own_mb + 32 + 48  # the answer, three bytes a pixel


@pytest.mark.parametrize("mode", ["CMYK", "L", "P", "1", "LA", "RGBA", "I;16", "YCbCr"])
def test_every_colour_mode_becomes_rgb(mode: str) -> None:
    grey = picture().convert("L")
    image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else picture().convert(mode)
    photo = decode(encode(image, "JPEG" if mode in {"CMYK", "YCbCr"} else "PNG"))
    assert photo.shape == (48, 64, 3)


def test_sixteen_bit_grey_keeps_its_range() -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16)[np.newaxis].repeat(4, axis=0)
    photo = decode(encode(Image.fromarray(ramp), "PNG"))
    assert abs(photo[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_transparency_lies_over_white() -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert decode(encode(clear, "PNG")).min() == 255


def test_an_animation_gives_its_first_frame() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, "GIF", save_all=True, append_images=[Image.new("RGB", (8, 8), "blue")])
    assert decode(stream.getvalue())[0, 0].tolist() == [255, 0, 0]


def test_a_jpeg_with_broken_exif_is_still_a_photo() -> None:
    jpeg = encode(picture(), "JPEG")
    broken = b"Exif\x00\x00MM\x00*\xff\xff\xff\xff" + b"\x99" * 20
    segment = b"\xff\xe1" + struct.pack(">H", len(broken) + 2) + broken
    assert decode(jpeg[:2] + segment + jpeg[2:]).shape == (48, 64, 3)


def test_a_one_pixel_photo_is_prepared() -> None:
    assert prepare(encode(Image.new("RGB", (1, 1)), "PNG"), InputSpec(32, 32)).shape == (32, 32, 3)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello, I am no photo",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff" + b"\0" * 100,
        b"GIF89a" + b"\0" * 8,
        b"\x89PNG\r\n\x1a\n",
    ],
    ids=["empty", "text", "jpeg magic", "jpeg zeros", "gif stub", "png magic"],
)
def test_what_is_no_photo_is_refused(data: bytes) -> None:
    with pytest.raises(NotAnImageError):
        decode(data)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_photo_that_was_cut_off_is_refused(fmt: str, part: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8))
    data = encode(noise, fmt)
    with pytest.raises(NotAnImageError):
        decode(data[: int(len(data) * part)])


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"<?xml version='1.0'?><svg xmlns='x'/>", "SVG"), (b"%PDF-1.7", "PDF"), (b"II+\x00" + b"\0" * 20, "BigTIFF")],
)
def test_a_picture_of_another_format_is_named(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=name):
        decode(data)


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        (b"\x89PNG\r\n\x1a\n" + chunk(b"CgBI", b"\x50\0\x20\x02"), "pngcrush -revert"),
        (b"\xff\x0a" + bytes(20), "djxl"),
        (b"\xff\x4f\xff\x51" + bytes(20), "photo.jp2"),
    ],
    ids=["PNG of Xcode", "JPEG XL", "JPEG 2000"],
)
def test_a_refusal_says_how_to_convert_the_picture(data: bytes, remedy: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=remedy):
        decode(data)


def test_a_page_of_comments_is_refused_at_once() -> None:
    """A pattern for them tried twice as many ways for each: 30 comments took minutes."""
    start = time.perf_counter()
    with pytest.raises(NotAnImageError):
        decode(b"<!---->" * 24)
    with pytest.raises(UnsupportedFormatError, match="A web page"):
        decode(b"<!-- x --> " * 24 + b"<html>")
    assert time.perf_counter() - start < 1


def test_a_bomb_is_refused_by_its_header_before_anything_is_decoded() -> None:
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 90_001))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(PhotoTooLargeError, match="30000 x 30000"):
        decode(bomb)


def progressive_jpeg(scans: int) -> bytes:
    """A picture whose last scan is repeated until there are `scans`."""
    jpeg = encode(picture(), "JPEG", progressive=True)
    last = jpeg.rfind(b"\xff\xda")
    return jpeg[:-2] + jpeg[last:-2] * (scans - jpeg.count(b"\xff\xda")) + jpeg[-2:]


def test_a_jpeg_of_more_scans_than_any_camera_writes_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(NotAnImageError, match=r"more than 100 scans.*baseline JPEG"):
        decode(progressive_jpeg(101))


def test_a_jpeg_whose_scans_hide_behind_markers_without_a_length_is_refused() -> None:
    """TEM takes no length: whoever believes the two bytes behind it passes over the scans that follow."""
    jpeg = encode(picture(), "JPEG", progressive=True)
    hidden = progressive_jpeg(200)[len(jpeg) - 2 : -2]
    with pytest.raises(NotAnImageError, match="more than 100 scans"):
        decode(jpeg[:-2] + b"\xff\x01" + hidden + jpeg[-2:])


def test_a_sequential_jpeg_of_many_scans_is_refused() -> None:
    """Nothing but the first scan's count of colours tells that there are more."""
    jpeg = encode(picture(), "JPEG")
    at = jpeg.find(b"\xff\xda")
    of_one_colour = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    with pytest.raises(NotAnImageError, match="more than 100 scans"):
        decode(jpeg[:at] + of_one_colour * 101 + jpeg[-2:])


def test_an_ordinary_jpeg_is_looked_at_up_to_its_first_scan() -> None:
    jpeg = encode(picture(), "JPEG")
    check_scans(jpeg[:-2] + b"\xff\xda\x00\x08" * 200 + jpeg[-2:])


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_of_ordinary_scans_is_read(progressive: bool) -> None:
    assert decode(encode(picture(), "JPEG", progressive=progressive)).shape == (48, 64, 3)


def with_comments(gif: bytes, comments: bytes) -> bytes:
    at = 13 + (3 << (gif[10] & 7) + 1)
    return gif[:at] + comments + gif[at:]


def test_a_gif_loses_its_comments_and_keeps_what_is_clear() -> None:
    clear = Image.new("P", (8, 8))
    clear.putpalette([0, 0, 0, 255, 0, 0])
    gif = encode(clear, "GIF", transparency=0)
    assert decode(gif).min() == 255
    # Minutes of work for who joins them, and a stray byte behind which a search might end.
    comments = b"!\xfe" + (b"\xff" + b"c" * 255) * 20_000 + b"\0\0" + b"!\xfe\x01c\0" * 20_000
    assert len(gif) <= len(drop_extensions(with_comments(gif, comments))) <= len(gif) + 1
    assert np.array_equal(decode(with_comments(gif, comments)), decode(gif))


def boxed(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


@pytest.mark.parametrize(
    "cut_up",
    [
        lambda: (jpeg := encode(picture(), "JPEG"))[:2] + b"\xff\xfe\x00\x02" * 2_000_000 + jpeg[2:],
        lambda: with_comments(encode(Image.new("P", (8, 8)), "GIF"), b"!\xf9\0" * 2_000_000),
        lambda: with_comments(encode(Image.new("P", (8, 8)), "GIF"), b"!\xfe" + b"\x01c" * 4_000_000 + b"\0"),
        lambda: with_comments(encode(Image.new("P", (8, 8)), "GIF"), b"x" * 8_000_000),
        lambda: (png := encode(picture(), "PNG"))[:33] + chunk(b"tEXt", b"") * 600_000 + png[33:],
        lambda: (heic := encode_heic(picture()))[:24] + boxed(b"free", b"") * 1_000_000 + heic[24:],
        lambda: (
            encode_heic(picture()) + boxed(b"meta", bytes(4) + boxed(b"iloc", b"\0\0\0\0\x01\x00" + b"\1" * 4_000_000))
        ),
    ],
    ids=["jpeg", "gif controls", "gif comment", "gif stray", "png", "heic", "heic items"],
)
def test_a_photo_in_a_million_parts_is_refused_at_once(cut_up: Callable[[], bytes]) -> None:
    """Walked in Python, each part takes microseconds, and kept 100 bytes: 32 MB of them took a gigabyte."""
    data = cut_up()
    tracemalloc.start()
    with pytest.raises(NotAnImageError):
        decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(data)


def test_a_png_loses_what_is_no_picture_before_it_is_opened() -> None:
    """Pillow unpacks each profile and each text: 8 MB of profiles take 45 s."""
    png = encode(picture(), "PNG")
    profile = chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(1_000_000)))
    with_profiles = png[:33] + profile * 5_000 + png[33:]
    assert retain_chunks(with_profiles, PICTURE) == png
    assert np.array_equal(decode(with_profiles), decode(png))


def test_of_the_texts_of_a_png_only_the_first_of_a_kind_is_read() -> None:
    """Each may be unpacked to a megabyte, and a file of 32 MB holds 30,000."""
    raw = chunk(b"tEXt", b"Raw profile type exif\0\nexif\n4\n" + b"4d4d002a")
    xmp = chunk(b"tEXt", b"XML:com.adobe.xmp\0<x/>")
    assert (describe(b"\x89PNG\r\n\x1a\n" + raw + xmp).exif, describe(b"\x89PNG\r\n\x1a\n" + xmp).xmp) == (
        b"MM\0*",
        b"<x/>",
    )
    broken = chunk(b"zTXt", b"Raw profile type APP1\0\0broken") + chunk(b"zTXt", b"XML:com.adobe.xmp\0\0broken")
    found = describe(b"\x89PNG\r\n\x1a\n" + broken + raw + xmp)
    assert (found.exif, found.xmp) == (b"", b"")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"tEXt", b"Raw profile type exif\0" + b"a " * 2_000_000),
        (b"iTXt", b"Raw profile type exif\0" + bytes(4_000_000)),
        (b"tRNS", bytes(4_000_000)),
        (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"a " * 500_000)),
    ],
)
def test_what_a_png_says_costs_no_more_memory_than_its_bytes(kind: bytes, body: bytes) -> None:
    png = encode(picture(), "PNG")
    photo = png[:33] + chunk(kind, body) + png[33:]
    tracemalloc.start()
    try:
        describe(photo)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000 + 3 * len(body)
    finally:
        tracemalloc.stop()


def test_the_first_header_of_a_png_counts() -> None:
    png = encode(picture(), "PNG")
    deep = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 16, 2, 0, 0, 0))
    assert describe(png[:-12] + deep + png[-12:]).depth == 8


def test_a_png_is_upright_by_exif_behind_its_picture() -> None:
    png = encode(picture(), "PNG")
    late = png[:-12] + chunk(b"eXIf", tiff(">", (0x0112, 3, b"\0\x06\0\0"))) + png[-12:]
    assert decode(late).shape == (64, 48, 3)
    assert orientation(late) == 6


def test_metadata_of_a_name_that_is_no_text_does_not_end_the_process() -> None:
    heic = encode_heic(picture(), exif=b"Exif\0\0" + tiff(">", (0x0112, 3, b"\0\x06\0\0")))
    at = heic.find(b"Exif")
    assert np.array_equal(decode(heic[:at] + b"E\xa4if" + heic[at + 4 :]), decode(heic))


def test_metadata_of_heic_and_avif_is_not_read() -> None:
    exif = greedy_exif(1, 10)
    for photo in (encode_heic(picture(), exif=exif, xmp=b"<x/>"), encode(picture(), "AVIF", exif=exif, xmp=b"<x/>")):
        with Image.open(io.BytesIO(photo)) as told, Image.open(io.BytesIO(drop_metadata(photo))) as silent:
            assert told.info["exif"]
            assert told.info["xmp"]
            assert not silent.info.get("exif")
            assert not silent.info.get("xmp")
            assert np.array_equal(np.asarray(silent), np.asarray(told))


def test_an_aperture_that_is_cut_off_is_none() -> None:
    properties = boxed(b"ipco", boxed(b"clap", b"")) + boxed(b"ipma", b"")
    meta = boxed(b"meta", bytes(4) + boxed(b"iprp", properties) + boxed(b"pitm", b""))
    assert read_aperture(meta, 64, 48) is None
    whole = boxed(b"pitm", bytes(6))
    assert read_aperture(boxed(b"meta", bytes(4) + whole + boxed(b"iprp", properties)), 64, 48) is None


def test_items_that_share_their_bytes_are_refused() -> None:
    """Decoders copy each: 1 MB of a file's bytes under 900 names took 1.8 GB."""
    names = [{"type": "mime", "content_type": "a/b", "data": bytes(size)} for size in (100_000, *[4] * 50)]
    heic = bytearray(encode_heic(picture(), metadata=names))
    assert decode(bytes(heic)).shape == (48, 64, 3)
    # The list of places: of each item 2 bytes of number, 2 of source, 4 of base, 2 of count, 4 of place, 4 of size.
    first = heic.find(b"iloc") + 4 + 4 + 2 + 2
    entries = [heic[at : at + 18] for at in range(first, first + 18 * 52, 18)]
    large = max(entries, key=lambda entry: entry[14:])
    heic[first + 18 : first + 18 * 52] = b"".join(entry[:4] + large[4:] for entry in entries[1:])
    with pytest.raises(NotAnImageError, match="add up to more"):
        decode(bytes(heic))


def test_a_header_is_read_without_decoding() -> None:
    assert probe(encode(picture(), "WEBP")).format == "WEBP"
    assert (probe(encode(picture(), "JPEG")).width, probe(encode(picture(), "JPEG")).height) == (64, 48)


@pytest.mark.parametrize("shape", [(100, 300), (300, 100), (50, 50)])
def test_the_crop_is_the_middle_square(shape: tuple[int, int]) -> None:
    left, top, right, bottom = crop_box(*shape, InputSpec(32, 32, crop_fraction=0.8))
    assert right - left == pytest.approx(0.8 * min(shape))
    assert (left + right) / 2 == pytest.approx(shape[1] / 2)
    assert (top + bottom) / 2 == pytest.approx(shape[0] / 2)


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "TIFF"])
def test_formats_that_take_most_memory_have_half_as_many_pixels(kind: str) -> None:
    photo = encode(Image.new("L", (80, 41)), kind)
    with pytest.raises(PhotoTooLargeError, match=r"the limit is 3,200\..*a JPEG"):
        decode(photo, max_pixels=6_400)
    assert decode(photo, max_pixels=6_560).shape == (41, 80, 3)
    assert MAX_PIXELS == 64_000_000


def test_large_photos_are_decoded_one_at_a_time_and_small_ones_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = [], []
    small_came = threading.Event()

    def slowly(image: Image.Image, _: int) -> Pixels:
        inside.append(image.width)
        most.append(sum(width == 4000 for width in inside))
        if image.width == 4000:
            assert small_came.wait(20)
        else:
            small_came.set()
        inside.remove(image.width)
        return np.zeros((1, 1, 3), dtype=np.uint8)

    monkeypatch.setattr(sys.modules[decode.__module__], "_to_pixels", slowly)
    large, small = encode(Image.new("L", (4000, 2001)), "PNG"), encode(Image.new("L", (40, 20)), "PNG")
    with ThreadPoolExecutor(3) as pool:
        done = [pool.submit(decode, photo) for photo in (large, large, small)]
        for each in done:
            each.result(30)
    assert max(most) == 1
