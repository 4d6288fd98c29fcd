"""The segments of a JPEG, found in the same way as by libjpeg, without decoding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from dandelion.errors import NotAnImageError, UnsupportedFormatError

# libjpeg's own script has 10 scans for a colour photo. Each further scan costs a few bytes and another pass over the
# whole picture: 1,000 of them, in 220 kB, occupied a worker for 10 s at 64 megapixels of grey.
MAX_SCANS = 100
# Photos of phones have some hundred. Each segment costs microseconds, and an empty one only four bytes.
MAX_SEGMENTS = 10_000

START, SCAN, END, INTERVAL = 0xD8, 0xDA, 0xD9, 0xDD
RESTARTS = range(0xD0, 0xD8)
_HUFFMAN, _QUANTISATION = 0xC4, 0xDB
PICTURE = 0x00  # no marker: a scan's data, up to the next marker
JFIF, EXIF, PROFILE, ADOBE = 0xE0, 0xE1, 0xE2, 0xEE
JFIF_NAME, PROFILE_NAME, ADOBE_NAME = b"JFIF\x00", b"ICC_PROFILE\x00", b"Adobe"
_EXIF_NAME, _XMP_NAME = b"Exif\x00\x00", b"http://ns.adobe.com/xap/1.0/\x00"
_SEQUENTIAL = {0xC0, 0xC1}
_PROGRESSIVE = {0xC2}
# Frames that no decoder here reads, by what their kind is called. libjpeg reads arithmetic coding, but goes on with
# zeros where the data end, and says nothing.
_UNREADABLE = {
    0xC3: "Lossless JPEG",
    0xF7: "JPEG-LS",
    **dict.fromkeys((0xC9, 0xCA), "Arithmetic-coded JPEG"),
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF), "Hierarchical or lossless JPEG"),
}
FRAMES = _SEQUENTIAL | _PROGRESSIVE | set(_UNREADABLE)
# What a picture consists of; the rest is metadata, or of use to no decoder.
PICTURE_PARTS = _SEQUENTIAL | _PROGRESSIVE | {_HUFFMAN, _QUANTISATION, INTERVAL, SCAN, PICTURE}
_SAMPLES = range(1, 5)
_LAST_COEFFICIENT = 63
_ADOBE_TRANSFORM = 11  # where it stands in the segment's body
# Markers without a length are skipped: 0xFF of a scan's own data, restarts, fill bytes and TEM.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_BASELINE = "Save it again as a baseline JPEG."


class Segment(NamedTuple):
    """A part of a JPEG, from `start` to before `end`, bytes."""

    marker: int
    start: int
    end: int


class Frame(NamedTuple):
    """What the start of a frame says: pixels, and of each colour its number and its samples across and down."""

    marker: int
    width: int
    height: int
    colours: tuple[tuple[int, int, int], ...]

    @property
    def is_sequential(self) -> bool:
        """Whether each colour comes in one scan, rather than in several that refine it."""
        return self.marker in _SEQUENTIAL

    @property
    def sampling(self) -> str:
        """Its sampling in words, such as `2x2, 1x1, 1x1`."""
        return ", ".join(f"{across}x{down}" for _, across, down in self.colours)


@dataclass(slots=True)
class Head:
    """What a JPEG says before its first scan.

    Attributes:
        frame: Its size and colours.
        exif: The first EXIF segment's content; empty if there is none.
        xmp: The first XMP segment's content; empty if there is none.
        has_adobe: Whether Adobe's marker is there, by which the inks of a CMYK picture are inverted.
        in_one_scan: Whether the first scan is the whole picture.
    """

    frame: Frame
    exif: bytes = b""
    xmp: bytes = b""
    has_adobe: bool = False
    in_one_scan: bool = False
    profile_parts: list[bytes] = field(default_factory=list)

    @property
    def profile(self) -> bytes:
        """The colour profile, joined from its numbered parts; empty if there is none or a part is missing."""
        parts = {part[0]: part for part in self.profile_parts if len(part) >= 2}
        numbers = range(1, len(parts) + 1)
        if not parts or set(parts) != set(numbers) or {part[1] for part in parts.values()} != {len(parts)}:
            return b""
        return b"".join(parts[number][2:] for number in numbers)


def segments(data: bytes) -> Iterator[Segment]:
    """All segments after the start marker, up to and including the end marker; stray bytes are left out.

    Where the end marker is missing, the start of another JPEG is the end.

    Raises:
        NotAnImageError: There are more than `MAX_SEGMENTS`.
    """
    at = 2
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None:
            return
        marker = data[found.start() + 1]
        if marker == START:
            return
        if marker == END:
            yield Segment(marker, *found.span())
            return
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
        yield Segment(marker, found.start(), at)
        if marker == SCAN:
            following = _MARKER.search(data, at)
            yield Segment(PICTURE, at, following.start() if following else len(data))
    raise NotAnImageError(f"This JPEG has more than {MAX_SEGMENTS:,} segments.", _BASELINE)


def read_head(data: bytes) -> Head:
    """What the JPEG says before its first scan, in one pass.

    Raises:
        NotAnImageError: The JPEG has no readable frame before its first scan.
        UnsupportedFormatError: Its kind of JPEG is not supported, such as one of 12 bits.
    """
    head: Head | None = None
    before = Head(Frame(0, 0, 0, ()))
    for marker, start, end in segments(data):
        body = start + 4
        if marker in FRAMES and head is None:
            before.frame = _read_frame(data[start:end])
            head = before
        elif marker == SCAN:
            if head is None:
                break
            frame = head.frame
            head.in_one_scan = frame.is_sequential and data[body : body + 1] == bytes([len(frame.colours)])
            return head
        elif marker == EXIF and not before.exif and data.startswith(_EXIF_NAME, body):
            before.exif = data[body:end]
        elif marker == EXIF and not before.xmp and data.startswith(_XMP_NAME, body):
            before.xmp = data[body:end]
        elif marker == PROFILE and data.startswith(PROFILE_NAME, body):
            before.profile_parts.append(data[body + len(PROFILE_NAME) : end])
        elif marker == ADOBE and data.startswith(ADOBE_NAME, body):
            before.has_adobe |= end - body > _ADOBE_TRANSFORM
    raise NotAnImageError("This JPEG has a damaged header, or is cut off before its picture begins.", _BASELINE)


def _read_frame(segment: bytes) -> Frame:
    marker, body = segment[1], segment[4:]
    colours = body[6:]
    if len(body) < 6 or len(colours) != 3 * body[5] or not colours:
        raise NotAnImageError("This JPEG has a damaged header: its frame has another length than it says.", _BASELINE)
    if name := _UNREADABLE.get(marker):
        raise UnsupportedFormatError(f"{name} is not supported.", _BASELINE)
    if body[0] != 8:
        raise UnsupportedFormatError(f"JPEG of {body[0]} bits is not supported.", "Save it as a JPEG of 8 bits.")
    if body[5] not in {1, 3, 4}:
        raise UnsupportedFormatError(f"JPEG of {body[5]} colours is not supported.", "Save it in RGB or in grey.")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if not height or not width:
        raise NotAnImageError(f"This JPEG has a damaged header: it has {width} x {height} pixels.", _BASELINE)
    sampled = tuple((colours[at], colours[at + 1] >> 4, colours[at + 1] & 15) for at in range(0, len(colours), 3))
    if not all(across in _SAMPLES and down in _SAMPLES for _, across, down in sampled):
        raise NotAnImageError("This JPEG has a damaged header: a colour has no samples, or too many.", _BASELINE)
    return Frame(marker, width, height, sampled)


def check_scans(data: bytes, head: Head | None = None) -> None:
    """Refuse a JPEG that would be decoded in more than `MAX_SCANS` passes, or that lacks scans, as no decoder notices.

    A sequential JPEG whose first scan holds every colour has no further scans, so ordinary photos are read only up to
    there. The scans of others must bring every coefficient of every colour, to its last bit.

    Raises:
        NotAnImageError: The JPEG has more scans, or lacks some.
    """
    head = head or read_head(data)
    if head.in_one_scan:
        return
    scans, missing = 0, {(colour, at) for colour, _, _ in head.frame.colours for at in (0, _LAST_COEFFICIENT)}
    for marker, start, end in segments(data):
        if marker != SCAN:
            continue
        scans += 1
        if scans > MAX_SCANS:
            raise NotAnImageError(
                f"This JPEG has more than {MAX_SCANS} scans, which no camera writes.", "Save it as a baseline JPEG."
            )
        scan = read_scan(data[start:end])
        brings = (0, _LAST_COEFFICIENT) if head.frame.is_sequential else (scan.first, scan.last)
        if head.frame.is_sequential or not scan.bits_left:
            missing -= {(colour, at) for colour in scan.colours for at in brings}
    if missing:
        raise NotAnImageError("This JPEG is cut off: it lacks a scan of one of its colours.", "Send the whole file.")


class Scan(NamedTuple):
    """What a scan's header says: its colours, its first and last coefficient, and the bits it leaves to later scans."""

    colours: bytes
    first: int
    last: int
    bits_left: int


def read_scan(segment: bytes) -> Scan:
    """What the header of a scan says.

    Raises:
        NotAnImageError: It is cut off.
    """
    body = segment[4:]
    parameters = body[1 + 2 * body[0] :] if body else b""
    if len(parameters) < 3:
        raise NotAnImageError("This JPEG is cut off in the header of a scan.", "Send the whole file.")
    return Scan(body[1 : 1 + 2 * body[0] : 2], parameters[0], parameters[1], parameters[2] & 15)
