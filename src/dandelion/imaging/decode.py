"""Encoded bytes to uint8 RGB, upright, at no more than the size that is needed.

JPEG goes through libjpeg-turbo, which can decode at a fraction of the size; everything else through Pillow. Nothing
is decoded before its header has been read and its size accepted.
"""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ExifTags import Base as ExifTag

from dandelion.errors import NotAnImageError, PhotoTooLargeError, UnsupportedFormatError

Photo = npt.NDArray[np.uint8]

FORMATS = ["JPEG", "PNG", "WEBP", "BMP", "GIF", "AVIF"]
with contextlib.suppress(ImportError):  # an extra, since its decoder is under the LGPL
    import pi_heif

    pi_heif.register_heif_opener()
    FORMATS.append("HEIF")
MAX_PIXELS = 64_000_000
Image.MAX_IMAGE_PIXELS = None  # ours is checked instead, from the header and for every format

_READABLE = f"Send a photo as {', '.join(FORMATS)}."
_OTHER_FORMATS = {
    b"%PDF": "PDF",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"8BPS": "Photoshop",
    b"\x00\x00\x01\x00": "ICO",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
}
_HARMLESS = ("xtraneous", "nvalid SOS", "nsupported marker", "nknown Adobe", "dobe")
_BROKEN_EXIF = (OSError, SyntaxError, ValueError, TypeError, struct.error, KeyError, IndexError)
_TRANSPOSITIONS: dict[int, Callable[[Photo], Photo]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes of a photo say.

    Attributes:
        format: One of `FORMATS`.
        width: Columns as stored, pixels.
        height: Rows as stored, pixels.
    """

    format: str
    width: int
    height: int


def probe(data: bytes) -> Header:
    """Read a photo's header without decoding it.

    Raises:
        NotAnImageError: The bytes are no picture.
        UnsupportedFormatError: A picture of another format.
    """
    if data[:3] == b"\xff\xd8\xff":
        try:
            height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        except (ValueError, KeyError) as error:
            raise NotAnImageError(f"This JPEG has a damaged header ({error}).", _READABLE) from error
        return Header("JPEG", width, height)
    with _open(data) as image:
        return Header(image.format or "", image.width, image.height)


def decode(data: bytes, *, min_side: int | None = None, max_pixels: int | None = None) -> Photo:
    """The photo as uint8 RGB [H, W, 3], upright.

    Args:
        data: The encoded photo.
        min_side: Neither side needs more than this many pixels; larger JPEGs are decoded at a fraction of
            their size that leaves both sides at least this long.
        max_pixels: Refuse photos whose header promises more pixels.

    Raises:
        NotAnImageError: The bytes are no picture, or are cut off.
        UnsupportedFormatError: A picture of a format that is not read here.
        PhotoTooLargeError: More pixels than `max_pixels`.
    """
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    if data[:3] == b"\xff\xd8\xff":
        return _decode_jpeg(data, min_side or 0, limit)
    with _open(data) as image:
        _check_size(image.width, image.height, limit)
        return _to_rgb(image)


def orientation(data: bytes) -> int:
    """Which of EXIF's eight ways up the photo says that it is; 1 when it says nothing.

    Raises:
        PhotoError: The bytes are no picture.
    """
    if data[:3] == b"\xff\xd8\xff":
        return _jpeg_orientation(data)
    with _open(data) as image:
        try:
            return int(image.getexif().get(ExifTag.Orientation, 1))
        except _BROKEN_EXIF:
            return 1


def _decode_jpeg(data: bytes, min_side: int, limit: int) -> Photo:
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError) as error:
        raise NotAnImageError(f"This JPEG has a damaged header ({error}).", _READABLE) from error
    _check_size(width, height, limit)
    if colours in {"CMYK", "YCCK"}:
        with _open(data) as image:
            image.draft("CMYK", (min_side, min_side) if min_side else image.size)
            return _to_rgb(image)
    photo = _decode_turbo(data, min_side)
    return np.ascontiguousarray(_upright(photo, _jpeg_orientation(data)))


def _decode_turbo(data: bytes, min_side: int) -> Photo:
    options = {
        "colorspace": "RGB",
        "fastdct": True,
        "fastupsample": True,
        "min_height": min_side,
        "min_width": min_side,
    }
    try:
        return cast("Photo", simplejpeg.decode_jpeg(data, strict=True, **options))
    except ValueError as error:
        # Cameras write harmless oddities that libjpeg only warns of; a photo that was cut off must fail, though,
        # and not come back half grey.
        if not any(word in str(error) for word in _HARMLESS):
            raise NotAnImageError(f"This JPEG is damaged or cut off ({error}).", "Send the whole file.") from error
    return cast("Photo", simplejpeg.decode_jpeg(data, strict=False, **options))


def _jpeg_orientation(data: bytes) -> int:
    start = data.find(b"Exif\x00\x00", 0, 65536)
    if start < 0:
        return 1
    length = int.from_bytes(data[start - 2 : start], "big")
    exif = Image.Exif()
    try:
        exif.load(data[start : start - 2 + length])
        return int(exif.get(ExifTag.Orientation, 1))
    except _BROKEN_EXIF:
        return 1  # a photo with broken EXIF is still a photo


def _upright(photo: Photo, orientation: int) -> Photo:
    transpose = _TRANSPOSITIONS.get(orientation)
    return photo if transpose is None else transpose(photo)


def _open(data: bytes) -> Image.Image:
    if not data:
        raise NotAnImageError("The photo is empty: 0 bytes.", _READABLE)
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        if name := _other_format(data):
            raise UnsupportedFormatError(f"{name} is not read here.", _READABLE) from error
        raise NotAnImageError(f"These {len(data)} bytes are no picture.", _READABLE) from error
    except (OSError, SyntaxError, ValueError, struct.error, EOFError) as error:
        raise NotAnImageError(f"This picture has a damaged header ({error}).", "Send the whole file.") from error


def _to_rgb(image: Image.Image) -> Photo:
    try:
        upright = ImageOps.exif_transpose(_flatten(image))
        return np.asarray(upright)
    except (
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        EOFError,
        struct.error,
        zlib.error,
    ) as error:
        raise NotAnImageError(
            f"This {image.format} is damaged or cut off ({error}).", "Send the whole file."
        ) from error


def _flatten(image: Image.Image) -> Image.Image:
    """The picture in RGB: 16-bit scaled to 8, transparency over white."""
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        values = np.asarray(image, dtype=np.float64)
        # Pillow keeps 16-bit grey as 0..65535 and its own convert() would clip that at 255.
        image = Image.fromarray((np.clip(values, 0, 65535) / 257).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        flat = Image.alpha_composite(white, rgba).convert("RGB")
        flat.info = image.info
        return flat
    return image.convert("RGB")


def _check_size(width: int, height: int, limit: int) -> None:
    if width * height > limit:
        raise PhotoTooLargeError(
            f"The photo has {width} x {height} = {width * height:,} pixels; at most {limit:,} are taken.",
            "Send a smaller photo, or raise DANDELION_API__MAX_PHOTO_PIXELS.",
        )


def _other_format(data: bytes) -> str | None:
    start = data[:512].lstrip()
    if b"<svg" in start[:512].lower():
        return "SVG"
    return next((name for magic, name in _OTHER_FORMATS.items() if data.startswith(magic)), None)
