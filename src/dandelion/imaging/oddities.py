"""Oddities of JPEGs that cameras and programs write: what is odd is put right, and the picture's data stay as they are.

libjpeg warns once of each kind and then decodes on, so a decoder that tolerates its warnings also tolerates a picture
that was cut off. A JPEG without its oddities can be decoded strictly instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from re import findall
from typing import NamedTuple

from dandelion.errors import UnsupportedFormatError
from dandelion.imaging import jpeg
from dandelion.imaging.jpeg import Frame, Head

_JFIF_BYTES, _JFIF_VERSION = 14, b"\x01\x02"
_ADOBE_BYTES = 12
_ALL_COEFFICIENTS = b"\x00\x3f\x00"
_RGB_COLOURS = 3
# What a segment holds besides its length, the name of a profile and two numbers.
_PROFILE_BYTES = 0xFFFF - 2 - len(jpeg.PROFILE_NAME) - 2
# Zeros at the end that may be the picture's own: a last byte of zeros, and the one behind 0xFF.
OWN_ZEROS = 2
END = bytes([0xFF, jpeg.END])


class Mended(NamedTuple):
    """A JPEG without oddities, and whether its own end marker stood behind its picture."""

    data: bytes
    has_end: bool

    def trim(self) -> Mended:
        """The same without zeros behind the picture.

        Zeros decode as a picture: where a file was cut off and padded, they would stand for what is missing.
        """
        scan = self.data.removesuffix(END)
        own = scan.rstrip(b"\0")
        return self._replace(data=own + scan[len(own) :][:OWN_ZEROS] + END)


def mend(data: bytes, head: Head) -> Mended:
    """The same picture in a JPEG of nothing but what a decoder needs, up to a single end marker.

    Stray bytes between segments, metadata, comments and colour profiles are left out; so is what pads or follows the
    picture. JFIF's version, Adobe's transform and the parameters of a sequential scan become those of the standard.
    """
    parts, scan, has_end = [data[:2]], b"", False
    for marker, start, end in jpeg.segments(data):
        has_end = marker == jpeg.END
        if has_end or (scan and head.in_one_scan):
            break
        if marker == jpeg.PICTURE:
            scan = data[start:end]
            continue
        parts += [scan, _mend_segment(marker, data[start:end], head.frame)]
        scan = b""
    return Mended(b"".join([*parts, scan, END]), has_end)


def _mend_segment(marker: int, segment: bytes, frame: Frame) -> bytes:
    body = segment[4:]
    if marker == jpeg.JFIF and body.startswith(jpeg.JFIF_NAME) and len(body) >= _JFIF_BYTES:
        name = len(jpeg.JFIF_NAME)
        return write(marker, body[:name] + _JFIF_VERSION + body[name + 2 : _JFIF_BYTES - 2] + b"\0\0")
    if marker == jpeg.ADOBE and body.startswith(jpeg.ADOBE_NAME) and len(body) >= _ADOBE_BYTES:
        # As libjpeg assumes of a transform that it does not know.
        usual = 1 if len(frame.colours) == _RGB_COLOURS else 2
        transform = body[_ADOBE_BYTES - 1]
        return write(marker, body[: _ADOBE_BYTES - 1] + bytes([transform if transform in {0, usual} else usual]))
    if marker >= jpeg.JFIF:  # applications' segments and comments
        return b""
    if marker == jpeg.SCAN and frame.is_sequential:
        return segment[: -len(_ALL_COEFFICIENTS)] + _ALL_COEFFICIENTS
    return segment


def write(marker: int, body: bytes) -> bytes:
    """A segment of this content."""
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def write_profile(profile: bytes) -> bytes:
    """A colour profile in as many segments as it needs."""
    parts = [profile[at : at + _PROFILE_BYTES] for at in range(0, len(profile), _PROFILE_BYTES)]
    numbered = (jpeg.PROFILE_NAME + bytes([number, len(parts)]) + part for number, part in enumerate(parts, 1))
    return b"".join(write(jpeg.PROFILE, part) for part in numbered)


def split_colours(mended: bytes, frame: Frame) -> Iterator[bytes]:
    """Of a sequential JPEG with a scan for each colour: each colour as a grey JPEG, which any decoder reads.

    Raises:
        UnsupportedFormatError: The JPEG is progressive, or a scan holds several colours.
        ValueError: The JPEG has two frames, or more scans than colours.
    """
    across, down = (max(colour[axis] for colour in frame.colours) for axis in (1, 2))
    tables: list[bytes] = []
    scans = 0
    quantised: dict[int, int] = {}
    header, of = b"", frame.colours[0]
    for marker, start, end in jpeg.segments(mended):
        segment = mended[start:end]
        if marker == jpeg.SCAN:
            colours = jpeg.read_scan(segment).colours
            if not frame.is_sequential or len(colours) != 1:
                raise UnsupportedFormatError(
                    f"Progressive JPEG sampled {frame.sampling}, or with stray bytes in its scans, is not supported.",
                    "Save it again as a baseline JPEG.",
                )
            scans += 1
            if scans > len(frame.colours):  # each costs a pass over the whole picture
                raise ValueError("more scans than colours")
            header, of = segment, next((colour for colour in frame.colours if colour[0] in colours), of)
        elif marker == jpeg.PICTURE:
            height, width = -(-frame.height * of[2] // down), -(-frame.width * of[1] // across)
            size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
            grey = write(frame.marker, b"\x08" + size + bytes([1, of[0], 0x11, quantised[of[0]]]))
            yield b"".join([mended[:2], *tables, grey, header, segment, END])
        elif marker in jpeg.FRAMES:
            if quantised:
                raise ValueError("two frames")
            quantised = dict(zip(segment[10::3], segment[12::3], strict=False))
        elif marker < jpeg.JFIF and marker != jpeg.END:
            tables.append(segment)


def has_all_restarts(mended: bytes, head: Head) -> bool:
    """Whether the only scan of a mended JPEG has as many restart markers as its size demands, in their order.

    True where it needs none; False where it has several scans and needs some, since these are not counted.
    """
    frame, interval, scan = head.frame, 0, b""
    for marker, start, end in jpeg.segments(mended):
        if marker == jpeg.INTERVAL:
            interval = int.from_bytes(mended[start + 4 : start + 6], "big")
        elif marker == jpeg.PICTURE:
            scan = mended[start:end]
    if not interval or not head.in_one_scan:
        return not interval
    across = 8 * max(h for _, h, _ in frame.colours) if len(frame.colours) > 1 else 8
    down = 8 * max(v for _, _, v in frame.colours) if len(frame.colours) > 1 else 8
    units = -(-frame.width // across) * -(-frame.height // down)
    wanted = islice(cycle(jpeg.RESTARTS), -(-units // interval) - 1)
    return b"".join(findall(rb"\xff([\xd0-\xd7])", scan)) == bytes(wanted)
