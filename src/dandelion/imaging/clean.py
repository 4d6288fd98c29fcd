"""Removing metadata from photos: place, time, camera, thumbnails, comments.

The pixels of JPEG, PNG and WebP stay bit for bit: these formats are sequences of labelled parts, and only the parts of
the picture are copied, and a colour profile if the picture needs it. Other formats mix metadata into their structure,
so they are decoded and encoded again.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

from PIL import Image
from PIL.ExifTags import Base as ExifTag

from dandelion.errors import NotAnImageError
from dandelion.imaging import jpeg, oddities, png
from dandelion.imaging.colour import is_needed
from dandelion.imaging.decode import decode, find_profile, orientation
from dandelion.imaging.orientation import read_orientation

LONGEST_SIDE = 2048
QUALITY = 92

_JFIF_BYTES, _ADOBE_BYTES = 14, 12
_PNG_RETAINED = png.PICTURE | {b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"cICP"}
_WEBP_RETAINED = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"}
_WEBP_EXIF_AND_XMP, _WEBP_PROFILE = 0b00_1100, 0b10_0000


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
            return CleanPhoto(_clean_png(data), ".png", "image/png")
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
    head = jpeg.read_head(data)
    turned = read_orientation(head.exif, head.xmp)
    parts = [data[:2], _exif_of(turned) if turned != 1 else b""]
    if is_needed(head.profile, len(head.frame.colours)):
        parts.append(oddities.write_profile(head.profile))
    # Phones append a film, a depth map or other pictures; the segments end before them.
    for marker, start, end in jpeg.segments(data):
        parts.append(_clean_segment(marker, data[start:end]))
        if marker == jpeg.PICTURE and head.in_one_scan:
            break
    return b"".join([*parts, oddities.END])


def _clean_segment(marker: int, segment: bytes) -> bytes:
    """A segment without metadata. Application segments retain only JFIF's header and Adobe's transform."""
    body = segment[4:]
    if marker == jpeg.JFIF and body.startswith(jpeg.JFIF_NAME) and len(body) >= _JFIF_BYTES:
        return oddities.write(marker, body[: _JFIF_BYTES - 2] + b"\0\0")  # a thumbnail of no pixels
    if marker == jpeg.ADOBE and body.startswith(jpeg.ADOBE_NAME):
        return oddities.write(marker, body[:_ADOBE_BYTES])
    return segment if marker in jpeg.PICTURE_PARTS else b""


def _exif_of(turned: int) -> bytes:
    """An EXIF segment with the orientation and nothing else."""
    exif = Image.Exif()
    exif[ExifTag.Orientation] = turned
    return oddities.write(jpeg.EXIF, exif.tobytes())


def _clean_png(data: bytes) -> bytes:
    profile = find_profile(data)
    cleaned = png.retain_chunks(data, _PNG_RETAINED)
    return png.with_profile(cleaned, profile) if profile else cleaned


def _clean_webp(data: bytes) -> bytes:
    profile = find_profile(data)
    dropped = _WEBP_EXIF_AND_XMP | (0 if profile else _WEBP_PROFILE)
    parts, at = [], 12
    (length,) = struct.unpack_from("<I", data, 4)
    while at < min(len(data), 8 + length):
        kind, size = struct.unpack_from("<4sI", data, at)
        chunk = data[at : at + 8 + size + size % 2]
        if kind == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~dropped]) + chunk[9:]
            if profile:  # which stands behind this chunk, once
                chunk += struct.pack("<4sI", b"ICCP", len(profile)) + profile + bytes(len(profile) % 2)
                profile = b""
        if kind in _WEBP_RETAINED:
            parts.append(chunk)
        at += 8 + size + size % 2
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body
