"""Removing metadata from photos: place, time, camera, thumbnails, comments.

The pixels of JPEG, PNG and WebP stay bit for bit: these formats are sequences of labelled parts, and only the parts of
the picture are copied. Other formats mix metadata into their structure, so they are decoded and encoded again.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

from PIL import Image
from PIL.ExifTags import Base as ExifTag

from dandelion.errors import NotAnImageError
from dandelion.imaging import jpeg, png
from dandelion.imaging.decode import decode, orientation

LONGEST_SIDE = 2048
QUALITY = 92

_JPEG_COMMENT = 0xFE
_PROFILE, _PROFILE_SEGMENT = b"ICC_PROFILE\x00", 0xE2
_JFIF, _JFIF_SEGMENT, _JFIF_BYTES = b"JFIF\x00", 0xE0, 14
_ADOBE, _ADOBE_SEGMENT, _ADOBE_BYTES = b"Adobe", 0xEE, 12
_PNG_RETAINED = png.PICTURE | {b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"cICP"}
_WEBP_RETAINED = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"ANIM", b"ANMF"}
_WEBP_EXIF_AND_XMP = 0b1100


@dataclass(frozen=True, slots=True)
class CleanPhoto:
    """An encoded photo that may be stored, with the suffix of its file name and its media type."""

    data: bytes
    suffix: str
    content_type: str


def clean(data: bytes) -> CleanPhoto:
    """The same picture with the same orientation, without metadata. Takes microseconds for JPEG, PNG and WebP.

    Raises:
        PhotoError: The bytes cannot be decoded.
    """
    try:
        if data[:2] == b"\xff\xd8":
            return CleanPhoto(_clean_jpeg(data), ".jpg", "image/jpeg")
        if data.startswith(png.MAGIC) and orientation(data) == 1:
            return CleanPhoto(png.retain_chunks(data, _PNG_RETAINED), ".png", "image/png")
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and orientation(data) == 1:
            return CleanPhoto(_clean_webp(data), ".webp", "image/webp")
    except (IndexError, struct.error) as error:
        raise NotAnImageError(f"This photo is cut off ({error}).", "Send the whole file.") from error
    return CleanPhoto(shrink(data, LONGEST_SIDE, QUALITY), ".jpg", "image/jpeg")


def shrink(data: bytes, side: int, quality: int) -> bytes:
    """The photo as a JPEG of `quality` that fits into a square of `side` pixels.

    Raises:
        PhotoError: The bytes cannot be decoded.
    """
    picture = Image.fromarray(decode(data, min_side=side))
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def _clean_jpeg(data: bytes) -> bytes:
    turned = orientation(data)
    parts = [data[:2], _exif_of(turned) if turned != 1 else b""]
    # Phones append a film, a depth map or other pictures; the segments end before them.
    found = list(jpeg.segments(data))
    if all(segment.marker != jpeg.SCAN for segment in found):
        raise NotAnImageError("This JPEG is cut off before its picture begins.", "Send the whole file.")
    parts += [_clean_segment(marker, data[start:end]) for marker, start, end in found]
    return b"".join(parts)


def _clean_segment(marker: int, segment: bytes) -> bytes:
    """A segment without metadata. Application segments retain only JFIF's header, Adobe's transform and a profile."""
    body = segment[4:]
    if marker == _JFIF_SEGMENT and body.startswith(_JFIF) and len(body) >= _JFIF_BYTES:
        return _segment(marker, body[: _JFIF_BYTES - 2] + b"\0\0")  # a thumbnail of no pixels
    if marker == _ADOBE_SEGMENT and body.startswith(_ADOBE):
        return _segment(marker, body[:_ADOBE_BYTES])
    is_application = 0xE0 <= marker <= 0xEF or marker == _JPEG_COMMENT
    is_profile = marker == _PROFILE_SEGMENT and body.startswith(_PROFILE)
    return segment if is_profile or not is_application else b""


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _exif_of(turned: int) -> bytes:
    """An EXIF segment with the orientation and nothing else."""
    exif = Image.Exif()
    exif[ExifTag.Orientation] = turned
    return _segment(jpeg.EXIF, exif.tobytes())


def _clean_webp(data: bytes) -> bytes:
    parts, at = [], 12
    (length,) = struct.unpack_from("<I", data, 4)
    while at < min(len(data), 8 + length):
        kind, size = struct.unpack_from("<4sI", data, at)
        chunk = data[at : at + 8 + size + size % 2]
        if kind == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~_WEBP_EXIF_AND_XMP]) + chunk[9:]
        if kind in _WEBP_RETAINED:
            parts.append(chunk)
        at += len(chunk)
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body
