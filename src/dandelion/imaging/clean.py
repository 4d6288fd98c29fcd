"""A photo without what it tells of the person who took it: place, time, camera, thumbnails, comments.

JPEG, PNG and WebP keep their pixels bit for bit: they are rows of labelled parts, and only the parts that make the
picture are copied. Other formats weave metadata into their structure, so they are decoded and written anew.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

from PIL import Image
from PIL.ExifTags import Base as ExifTag

from dandelion.errors import NotAnImageError
from dandelion.imaging.decode import decode, orientation

LONGEST_SIDE = 2048
QUALITY = 92

_JPEG_START, _JPEG_SCAN, _JPEG_END = 0xD8, 0xDA, 0xD9
_JPEG_EXIF, _JPEG_COMMENT = 0xE1, 0xFE
# JFIF's header and Adobe's colour transform are needed to decode; a colour profile to see the right colours.
_JPEG_KEPT = {0xE0, 0xEE}
_PROFILE, _PROFILE_SEGMENT = b"ICC_PROFILE\x00", 0xE2
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = {
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"),
    *(b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"cICP"),
}
_WEBP_KEPT = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"ANIM", b"ANMF"}
_WEBP_EXIF_AND_XMP = 0b1100


@dataclass(frozen=True, slots=True)
class CleanPhoto:
    """A photo that may be kept.

    Attributes:
        data: Encoded.
        suffix: What its file name ends with.
        content_type: Its media type.
    """

    data: bytes
    suffix: str
    content_type: str


def clean(data: bytes) -> CleanPhoto:
    """The same picture, upright as before, without metadata. Takes microseconds for JPEG, PNG and WebP.

    Raises:
        PhotoError: The bytes cannot be decoded.
    """
    try:
        if data[:2] == b"\xff\xd8":
            return CleanPhoto(_clean_jpeg(data), ".jpg", "image/jpeg")
        if data[:8] == _PNG and orientation(data) == 1:
            return CleanPhoto(_clean_png(data), ".png", "image/png")
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and orientation(data) == 1:
            return CleanPhoto(_clean_webp(data), ".webp", "image/webp")
    except (IndexError, struct.error) as error:
        raise NotAnImageError(f"This photo is cut off ({error}).", "Send the whole file.") from error
    return _write_anew(data)


def _clean_jpeg(data: bytes) -> bytes:
    turned = orientation(data)
    kept = [data[:2], _exif_of(turned) if turned != 1 else b""]
    at = 2
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if data[at] != 0xFF:
            raise NotAnImageError("This JPEG is damaged: a segment does not begin where it should.")
        marker = data[at + 1]
        if marker == _JPEG_SCAN:
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        segment = data[at : at + 2 + length]
        is_application = 0xE0 <= marker <= 0xEF or marker == _JPEG_COMMENT
        is_profile = marker == _PROFILE_SEGMENT and segment[4:16] == _PROFILE
        if not is_application or marker in _JPEG_KEPT or is_profile:
            kept.append(segment)
        at += 2 + length
    # Behind the end of the picture phones put a film, a depth map or other pictures.
    return b"".join([*kept, data[at : _end_of_scans(data, at)]])


def _end_of_scans(data: bytes, at: int) -> int:
    """Behind the end marker; inside a scan, 0xFF is followed by 0, by a restart marker or by the next marker."""
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        marker = data[at + 1]
        if marker == _JPEG_END:
            return at + 2
        if marker in {0x00, 0xFF} or 0xD0 <= marker <= 0xD7:
            at += 1 if marker == 0xFF else 2
        else:  # a further scan, or the tables before it
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return len(data)


def _exif_of(turned: int) -> bytes:
    """A segment that says which way up the picture is, and nothing else."""
    exif = Image.Exif()
    exif[ExifTag.Orientation] = turned
    told = exif.tobytes()
    return struct.pack(">BBH", 0xFF, _JPEG_EXIF, len(told) + 2) + told


def _clean_png(data: bytes) -> bytes:
    kept, at = [data[:8]], 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind in _PNG_KEPT:
            kept.append(data[at : at + 12 + length])
        if kind == b"IEND":
            break
        at += 12 + length
    return b"".join(kept)


def _clean_webp(data: bytes) -> bytes:
    kept, at = [], 12
    (length,) = struct.unpack_from("<I", data, 4)
    while at < min(len(data), 8 + length):
        kind, size = struct.unpack_from("<4sI", data, at)
        chunk = data[at : at + 8 + size + size % 2]
        if kind == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~_WEBP_EXIF_AND_XMP]) + chunk[9:]
        if kind in _WEBP_KEPT:
            kept.append(chunk)
        at += len(chunk)
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _write_anew(data: bytes) -> CleanPhoto:
    picture = Image.fromarray(decode(data))
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=QUALITY)
    return CleanPhoto(stream.getvalue(), ".jpg", "image/jpeg")
