"""Decoding photos to uint8 RGB, upright, no larger than needed.

`scans` decodes JPEG, at a fraction of the size if that suffices; Pillow decodes the other formats. No photo is decoded
before its header is read and its size accepted.
"""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from dandelion.domain.arrays import Pixels
from dandelion.errors import NotAnImageError, PhotoTooLargeError, UnsupportedFormatError
from dandelion.imaging import formats, gif, heif, jpeg, png, samples, tiff
from dandelion.imaging.colour import MAX_PROFILE_BYTES, convert_to_srgb, is_needed
from dandelion.imaging.orientation import read_orientation, turn_upright
from dandelion.imaging.scans import decode_scans

FORMATS = ["JPEG", "PNG", "WEBP", "BMP", "GIF", "AVIF", "TIFF"]
with contextlib.suppress(ImportError):  # an extra, since its decoder is under the LGPL
    import pi_heif

    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    FORMATS.append("HEIF")
MAX_PIXELS = 64_000_000
# Formats whose decoders take 9 to 16 bytes a pixel, not 3 or 4: their limit is half, to fit a pod of 1 GiB.
_COSTLY = frozenset({"WEBP", "AVIF", "TIFF"})
# Larger photos are decoded one at a time. JPEG, which can be decoded at a fraction of its size, never waits.
_LARGE_PIXELS = 8_000_000
_large = threading.Lock()
Image.MAX_IMAGE_PIXELS = None  # our own limit is checked instead, from the header and for every format

_UNCHECKED = [name for name in FORMATS if name != "TIFF"]
_READABLE = f"Send a photo as {', '.join(FORMATS)}."
# What decoders raise for damaged photos; those of AVIF and HEIF raise RuntimeError.
_BROKEN = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, KeyError, IndexError, RuntimeError),
    *(ArithmeticError, struct.error, zlib.error),  # an AVIF of no frames a second is divided by
)
_TILE = 1024  # pixels
_JPEG = b"\xff\xd8"
_INKS = 4
_GREY = {"1", "L", "LA", "I", "I;16", "F"}


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
    if data.startswith(_JPEG):
        return _header_of_jpeg(jpeg.read_head(data))
    with _open(data) as image:
        return _header(image)


def decode(
    data: bytes,
    *,
    min_side: int | None = None,
    max_pixels: int | None = None,
    check: Callable[[Header], None] | None = None,
) -> Pixels:
    """The photo as uint8 RGB [H, W, 3], upright.

    Args:
        data: The encoded photo.
        min_side: Pixels that each side needs; larger photos are decoded at a fraction of their size at which both
            sides are at least this long.
        max_pixels: Maximum number of pixels by the header; half of it for WebP, AVIF and TIFF.
        check: Is told the header before anything is decoded; what it raises is raised.

    Raises:
        NotAnImageError: The bytes are not an image, or are cut off.
        UnsupportedFormatError: An image in a format that is not supported.
        PhotoTooLargeError: The photo has more pixels than `max_pixels`.
    """
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    if data.startswith(_JPEG):
        return _decode_jpeg(data, min_side or 0, limit, check)
    with _open(data) as image:
        _check_size(image.width, image.height, limit // 2 if image.format in _COSTLY else limit)
        if check:
            check(_header(image))
        described = image.info[samples.DESCRIPTION]
        if isinstance(described, tiff.Description):
            described.check_jpegs()
        with _large if image.width * image.height > _LARGE_PIXELS else contextlib.nullcontext():
            photo = _to_pixels(_crop(image, data), min_side or 0)
    photo = _convert_colours(photo, _profile(image), min_side or 0, is_grey=image.mode in _GREY)
    return turn_upright(photo, _orientation(image))


def orientation(data: bytes) -> int:
    """The photo's EXIF orientation, 1 to 8; 1 without any.

    Raises:
        PhotoError: The bytes are not an image.
    """
    if data.startswith(_JPEG):
        head = jpeg.read_head(data)
        return read_orientation(head.exif, head.xmp)
    with _open(data) as image:
        return _orientation(image)


def find_profile(data: bytes) -> bytes:
    """The colour profile without which a photo, no JPEG, would not look as it should; empty if it needs none.

    Raises:
        PhotoError: The bytes are not an image.
    """
    with _open(data) as image:
        profile = _profile(image)
        return profile if is_needed(profile, 1 if image.mode in _GREY else 3) else b""


def _header(image: Image.Image) -> Header:
    return Header(image.format or "", image.width, image.height)


def _header_of_jpeg(head: jpeg.Head) -> Header:
    return Header("JPEG", head.frame.width, head.frame.height)


def _decode_jpeg(data: bytes, min_side: int, limit: int, check: Callable[[Header], None] | None) -> Pixels:
    head = jpeg.read_head(data)
    _check_size(head.frame.width, head.frame.height, limit)
    if check:
        check(_header_of_jpeg(head))
    jpeg.check_scans(data, head)
    photo, colours = decode_scans(data, head, min_side), len(head.frame.colours)
    if colours == _INKS and head.has_adobe:
        np.invert(photo, out=photo)  # as Adobe writes it
    photo = _convert_colours(photo, head.profile, min_side, is_grey=colours == 1)
    return turn_upright(photo, read_orientation(head.exif, head.xmp))


def _convert_colours(photo: Pixels, profile: bytes, min_side: int, *, is_grey: bool) -> Pixels:
    """RGB of what may be inks, by their profile or, without one that can be used, as they are."""
    converted = convert_to_srgb(photo[..., :1] if is_grey else photo, profile, min_side)
    if converted is not None:
        return converted
    if photo.shape[2] != _INKS:
        return photo
    rgb = np.empty((*photo.shape[:2], 3), dtype=np.uint8)
    for top in range(0, len(photo), _TILE):
        rgb[top : top + _TILE] = np.asarray(Image.fromarray(photo[top : top + _TILE], "CMYK").convert("RGB"))
    return rgb


def _open(data: bytes) -> Image.Image:
    if not data:
        raise NotAnImageError("The photo is empty: 0 bytes.", _READABLE)
    if data[12:16] == png.APPLE_OPTIMISED:
        raise UnsupportedFormatError(
            "PNG as Xcode optimises it for iPhones is not supported.",
            "Send the PNG from before, or turn it back by `pngcrush -revert-iphone-optimizations`.",
        )
    try:
        picture, description = _without_metadata(data)
        # Pillow's own reader of TIFF gets nothing but what was checked: it would also open BigTIFF.
        is_tiff = data[:4] in tiff.STARTS
        image = Image.open(io.BytesIO(picture), formats=["TIFF"] if is_tiff else _UNCHECKED)
        image.info[samples.DESCRIPTION] = description
        return image
    except UnidentifiedImageError as error:
        name, remedy = formats.name_format(data) or ("", "")
        if name and not (name == "HEIC" and "HEIF" in FORMATS):
            raise UnsupportedFormatError(f"{name} is not supported.", remedy or _READABLE) from error
        if readable := formats.name_readable(data):
            raise NotAnImageError(f"This {readable} has a damaged header.", "Send the whole file.") from error
        raise NotAnImageError(f"These {len(data)} bytes are not an image.", _READABLE) from error
    except _BROKEN as error:
        raise NotAnImageError(f"This image has a damaged header ({error}).", "Send the whole file.") from error


def _without_metadata(data: bytes) -> tuple[bytes, png.Description | None]:
    """Remove metadata that Pillow would read when it opens the file, without a limit on time or memory.

    Of PNG and TIFF also what they say of their picture.
    """
    if data.startswith(png.MAGIC):
        return png.retain_chunks(data, png.PICTURE), png.describe(data)
    if data[:4] in tiff.STARTS:
        return tiff.extract_first_page(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return gif.drop_extensions(data), None
    if data[4:8] == b"ftyp":
        heif.check_items(data)
        return heif.drop_metadata(data), None
    return data, None


def _crop(image: Image.Image, data: bytes) -> Image.Image:
    aperture = heif.read_aperture(data, image.width, image.height) if image.format == "AVIF" else None
    if aperture is None:
        return image
    try:
        return image.crop(aperture)
    except _BROKEN as error:
        raise _damaged(image, error) from error


def _orientation(image: Image.Image) -> int:
    # HEIF's decoder has already turned the picture. Pillow converts AVIF's own orientation, which replaces EXIF's
    # there, to EXIF.
    described: Any = image.info.get(samples.DESCRIPTION)
    if described:
        return read_orientation(described.exif, described.xmp)
    return read_orientation(image.info.get("exif") or b"", image.info.get("xmp") or b"")


def _profile(image: Image.Image) -> bytes:
    described: Any = image.info.get(samples.DESCRIPTION)
    return described.read_profile(MAX_PROFILE_BYTES) if described else image.info.get("icc_profile") or b""


def _to_pixels(image: Image.Image, min_side: int) -> Pixels:
    """RGB, or inks, in tiles and averaged down to `min_side`: a second picture of full size would double the memory."""
    try:
        image = samples.load(image)
        width, height = image.size
        factor = max(1, min(_TILE, width // min_side, height // min_side)) if min_side else 1
        photo = np.empty(
            (-(-height // factor), -(-width // factor), _INKS if image.mode == "CMYK" else 3), dtype=np.uint8
        )
        step = _TILE // factor * factor
        for top in range(0, height, step):
            for left in range(0, width, step):
                box = (left, top, min(left + step, width), min(top + step, height))
                tile = np.asarray(samples.flatten(image, box).reduce(factor))
                row, column = top // factor, left // factor
                photo[row : row + tile.shape[0], column : column + tile.shape[1]] = tile
    except _BROKEN as error:
        raise _damaged(image, error) from error
    return photo


def _damaged(image: Image.Image, error: Exception) -> NotAnImageError:
    return NotAnImageError(f"This {image.format} is damaged or cut off ({error}).", "Send the whole file.")


def _check_size(width: int, height: int, limit: int) -> None:
    if width * height > limit:
        raise PhotoTooLargeError(
            f"The photo has {width} x {height} = {width * height:,} pixels; the limit is {limit:,}.",
            "Send a smaller photo or a JPEG, or raise DANDELION_API__MAX_PHOTO_PIXELS.",
        )
