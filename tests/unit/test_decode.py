"""Decoding: every format, every orientation, and everything that is not a photo."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pillow_heif  # writes HEIC, which the reader that we use cannot
import pytest
from PIL import Image

from dandelion.domain import InputSpec
from dandelion.errors import NotAnImageError, PhotoTooLargeError, UnsupportedFormatError
from dandelion.imaging import decode, prepare, probe
from dandelion.imaging.prepare import crop_box


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


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "AVIF"])
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
@pytest.mark.parametrize("fmt", ["JPEG", "PNG"])
def test_a_photo_stands_upright_whatever_its_exif_orientation(fmt: str, orientation: int) -> None:
    undo: dict[int, Callable[[Image.Image], Image.Image]] = {
        1: lambda i: i,
        2: lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda i: i.transpose(Image.Transpose.ROTATE_180),
        4: lambda i: i.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda i: i.transpose(Image.Transpose.TRANSPOSE),
        6: lambda i: i.transpose(Image.Transpose.ROTATE_90),
        7: lambda i: i.transpose(Image.Transpose.TRANSVERSE),
        8: lambda i: i.transpose(Image.Transpose.ROTATE_270),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = decode(encode(undo[orientation](picture()), fmt, exif=exif))
    assert abs(photo.astype(int) - np.asarray(picture()).astype(int)).mean() < 6


def test_a_large_jpeg_is_decoded_at_a_fraction_that_still_covers_what_is_needed() -> None:
    photo = decode(encode(picture(2000, 1500), "JPEG"), min_side=200)
    assert 200 <= min(photo.shape[:2]) < 400


def test_reduced_decoding_and_full_decoding_give_the_model_nearly_the_same() -> None:
    spec = InputSpec(96, 96)
    jpeg = encode(picture(2000, 1500), "JPEG", quality=95)
    png = encode(picture(2000, 1500), "PNG")
    assert abs(prepare(jpeg, spec).astype(int) - prepare(png, spec).astype(int)).mean() < 3


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
    [(b"<?xml version='1.0'?><svg xmlns='x'/>", "SVG"), (b"%PDF-1.7", "PDF"), (b"II*\x00" + b"\0" * 20, "TIFF")],
)
def test_a_picture_of_another_format_is_named(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=name):
        decode(data)


def test_a_bomb_is_refused_by_its_header_before_anything_is_decoded() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 90_001))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(PhotoTooLargeError, match="30000 x 30000"):
        decode(bomb)


def test_a_header_is_read_without_decoding() -> None:
    assert probe(encode(picture(), "WEBP")).format == "WEBP"
    assert (probe(encode(picture(), "JPEG")).width, probe(encode(picture(), "JPEG")).height) == (64, 48)


@pytest.mark.parametrize("shape", [(100, 300), (300, 100), (50, 50)])
def test_the_crop_is_the_middle_square(shape: tuple[int, int]) -> None:
    left, top, right, bottom = crop_box(*shape, InputSpec(32, 32, crop_fraction=0.8))
    assert right - left == pytest.approx(0.8 * min(shape))
    assert (left + right) / 2 == pytest.approx(shape[1] / 2)
    assert (top + bottom) / 2 == pytest.approx(shape[0] / 2)
