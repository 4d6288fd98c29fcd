"""Decoding photos to uint8 RGB, upright, no larger than needed.

libjpeg-turbo decodes JPEG, at a fraction of the size if that suffices; Pillow decodes the other formats. No photo is
decoded before its header is read and its size accepted.
"""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import zlib
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from dandelion.domain.arrays import Pixels
from dandelion.errors import NotAnImageError, PhotoTooLargeError, UnsupportedFormatError
from dandelion.imaging import gif, heif, jpeg, png
from dandelion.imaging.orientation import read_orientation, turn_upright

FORMATS = ["JPEG", "PNG", "WEBP", "BMP", "GIF", "AVIF"]
with contextlib.suppress(ImportError):  # an extra, since its decoder is under the LGPL
    import pi_heif

    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    FORMATS.append("HEIF")
MAX_PIXELS = 64_000_000
# Formats whose decoders take 9 to 16 bytes a pixel, not 3 or 4: their limit is half, to fit a pod of 1 GiB.
_COSTLY = frozenset({"WEBP", "AVIF"})
# Larger photos are decoded one at a time. JPEG, which can be decoded at a fraction of its size, never waits.
_LARGE_PIXELS = 8_000_000
_large = threading.Lock()
Image.MAX_IMAGE_PIXELS = None  # our own limit is checked instead, from the header and for every format

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
# What decoders raise for damaged photos; those of AVIF and HEIF raise RuntimeError.
_BROKEN = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, KeyError, IndexError, RuntimeError),
    *(struct.error, zlib.error),
)
_TILE = 1024  # pixels


@dataclass(frozen=True, slots=True)
class Header:
    """The format of a photo, one of `FORMATS`, and its columns and rows as stored, pixels."""

    format: str
    width: int
    height: int


def probe(data: bytes) -> Header:
    """Read a photo's header without decoding it.

    Raises:
        NotAnImageError: The bytes are not an image.
        UnsupportedFormatError: An image in a format that is not supported.
    """
    if data[:3] == b"\xff\xd8\xff":
        height, width, _ = _read_jpeg_header(data)
        return Header("JPEG", width, height)
    with _open(data) as image:
        return Header(image.format or "", image.width, image.height)


def decode(data: bytes, *, min_side: int | None = None, max_pixels: int | None = None) -> Pixels:
    """The photo as uint8 RGB [H, W, 3], upright.

    Args:
        data: The encoded photo.
        min_side: Pixels that each side needs; larger photos are decoded at a fraction of their size at which both
            sides are at least this long.
        max_pixels: Maximum number of pixels by the header; half of it for WebP and AVIF.

    Raises:
        NotAnImageError: The bytes are not an image, or are cut off.
        UnsupportedFormatError: An image in a format that is not supported.
        PhotoTooLargeError: The photo has more pixels than `max_pixels`.
    """
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    if data[:3] == b"\xff\xd8\xff":
        return _decode_jpeg(data, min_side or 0, limit)
    with _open(data) as image:
        _check_size(image.width, image.height, limit // 2 if image.format in _COSTLY else limit)
        with _large if image.width * image.height > _LARGE_PIXELS else contextlib.nullcontext():
            return turn_upright(_to_rgb(image, min_side or 0), _orientation(image))


def orientation(data: bytes) -> int:
    """The photo's EXIF orientation, 1 to 8; 1 without any.

    Raises:
        PhotoError: The bytes are not an image.
    """
    if data[:3] == b"\xff\xd8\xff":
        return read_orientation(jpeg.read_exif(data))
    with _open(data) as image:
        return _orientation(image)


def _read_jpeg_header(data: bytes) -> tuple[int, int, str]:
    """Height, width and colours."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError) as error:
        raise NotAnImageError(f"This JPEG has a damaged header ({error}).", _READABLE) from error
    return height, width, colours


def _decode_jpeg(data: bytes, min_side: int, limit: int) -> Pixels:
    height, width, colours = _read_jpeg_header(data)
    _check_size(width, height, limit)
    jpeg.check_scans(data)
    if colours in {"CMYK", "YCCK"}:
        inks = _decode_turbo(data, "CMYK", min_side)
        # Inverted, as Adobe writes it and all readers expect it.
        photo = _to_rgb(Image.frombytes("CMYK", (inks.shape[1], inks.shape[0]), inks.data, "raw", "CMYK;I"), 0)
    else:
        photo = _decode_turbo(data, "RGB", min_side)
    return turn_upright(photo, orientation(data))


def _decode_turbo(data: bytes, colours: str, min_side: int) -> Pixels:
    decode_jpeg = partial(
        simplejpeg.decode_jpeg,
        data,
        colorspace=colours,
        fastdct=True,
        fastupsample=True,
        min_height=min_side,
        min_width=min_side,
    )
    try:
        try:
            return cast("Pixels", decode_jpeg(strict=True))
        except ValueError as error:
            # Cameras write harmless oddities that libjpeg only warns of. A truncated photo must fail, though, and not
            # come back half grey.
            if not any(word in str(error) for word in _HARMLESS):
                raise
        return cast("Pixels", decode_jpeg(strict=False))
    except ValueError as error:
        raise NotAnImageError(f"This JPEG is damaged or cut off ({error}).", "Send the whole file.") from error


def _open(data: bytes) -> Image.Image:
    if not data:
        raise NotAnImageError("The photo is empty: 0 bytes.", _READABLE)
    try:
        return Image.open(io.BytesIO(_without_metadata(data)), formats=FORMATS)
    except UnidentifiedImageError as error:
        if name := _other_format(data):
            raise UnsupportedFormatError(f"{name} is not supported.", _READABLE) from error
        raise NotAnImageError(f"These {len(data)} bytes are not an image.", _READABLE) from error
    except _BROKEN as error:
        raise NotAnImageError(f"This image has a damaged header ({error}).", "Send the whole file.") from error


def _without_metadata(data: bytes) -> bytes:
    """Remove metadata that Pillow would read when it opens the file, without a limit on time or memory."""
    if data.startswith(png.MAGIC):
        return png.retain_chunks(data, png.PICTURE | {png.EXIF})
    if data.startswith((b"GIF87a", b"GIF89a")):
        return gif.drop_extensions(data)
    if data[4:8] == b"ftyp":
        heif.check_items(data)
        return heif.drop_metadata(data)
    return data


def _orientation(image: Image.Image) -> int:
    # HEIF's decoder has already turned the picture. Pillow converts AVIF's own orientation, which replaces EXIF's
    # there, to EXIF.
    return read_orientation(image.info.get("exif") or b"")


def _to_rgb(image: Image.Image, min_side: int) -> Pixels:
    """Convert in tiles and average down to `min_side`: a second picture of full size would double the memory."""
    try:
        image.load()
        width, height = image.size
        factor = max(1, min(_TILE, width // min_side, height // min_side)) if min_side else 1
        photo = np.empty((-(-height // factor), -(-width // factor), 3), dtype=np.uint8)
        step = _TILE // factor * factor
        for top in range(0, height, step):
            for left in range(0, width, step):
                box = (left, top, min(left + step, width), min(top + step, height))
                tile = np.asarray(_flatten(image.crop(box)).reduce(factor))
                row, column = top // factor, left // factor
                photo[row : row + tile.shape[0], column : column + tile.shape[1]] = tile
    except _BROKEN as error:
        raise NotAnImageError(
            f"This {image.format} is damaged or cut off ({error}).", "Send the whole file."
        ) from error
    return photo


def _flatten(image: Image.Image) -> Image.Image:
    """The picture in RGB: 16-bit scaled to 8, transparency over white."""
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        # Pillow stores 16-bit grey as 0..65535, and its own convert() would clip that at 255.
        image = Image.fromarray((np.clip(np.asarray(image), 0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB")


def _check_size(width: int, height: int, limit: int) -> None:
    if width * height > limit:
        raise PhotoTooLargeError(
            f"The photo has {width} x {height} = {width * height:,} pixels; the limit is {limit:,}.",
            "Send a smaller photo or a JPEG, or raise DANDELION_API__MAX_PHOTO_PIXELS.",
        )


def _other_format(data: bytes) -> str | None:
    start = data[:512].lstrip()
    if b"<svg" in start[:512].lower():
        return "SVG"
    return next((name for magic, name in _OTHER_FORMATS.items() if data.startswith(magic)), None)
