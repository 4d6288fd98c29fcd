"""JPEG: oddities that libjpeg warns of, sampling, and inks."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from dandelion.errors import UnsupportedFormatError
from tests.corpus.sample import Sample, jpeg, pixels, plain
from tests.jpegs import Sampling, segment, segments, split_planes, write_jpeg


def samples() -> Iterator[Sample]:
    yield from _odd_jpegs()
    yield from _sampled_jpegs()
    yield from _inks()


def before(marker: int, added: bytes, data: bytes | None = None) -> bytes:
    """A JPEG with bytes before its first segment of this marker."""
    data = data or jpeg()
    found, parts = segments(data), [data[:2]]
    first = [each for each, _ in found].index(marker)
    for at, (_, part) in enumerate(found):
        parts += [added, part] if at == first else [part]
    return b"".join(parts)


def odd_jpegs() -> dict[str, bytes]:
    """JPEGs of one scan that libjpeg warns of, and reads."""
    usual, scan = jpeg(), jpeg().find(b"\xff\xda")
    planes = split_planes(plain(), "YCbCr")
    with_adobe = before(0xDB, segment(0xEE, b"Adobe\0\x64\0\0\0\0\x07"), usual[:2] + usual[20:])
    return {
        "stray bytes before DQT": before(0xDB, b"stray"),
        "stray bytes before DHT": before(0xC4, b"stray"),
        "stray bytes before SOF": before(0xC0, b"stray"),
        "stray bytes before SOS": before(0xDA, b"stray"),
        "stray bytes before the end": usual[:-2] + b"stray" + usual[-2:],
        "stray bytes before restarts": write_jpeg(planes, [(2, 2), (1, 1), (1, 1)], interval=7, stray=b"odd"),
        "JFIF 2.01": usual[:11] + b"\x02\x01" + usual[13:],
        "profile without its second part": before(0xDB, segment(0xE2, b"ICC_PROFILE\0\x01\x02" + bytes(200))),
        "parameters of the scan": usual[: scan + 11] + b"\0\0\0" + usual[scan + 14 :],
        "transform of Adobe": with_adobe,
        "sampling 4x2": write_jpeg(planes, [(4, 2), (1, 1), (1, 1)]),
        "sampling 3x1": write_jpeg(planes, [(3, 1), (1, 1), (1, 1)]),
        "sampling 1x4 with restarts": write_jpeg(planes, [(1, 4), (1, 1), (1, 1)], interval=3),
    }


def _odd_jpegs() -> Iterator[Sample]:
    looks = pixels(plain())
    usual = jpeg()
    yield Sample("JPEG", "", usual, looks)
    yield Sample("JPEG", "progressive", jpeg(progressive=True), looks)
    yield Sample("JPEG", "optimised", jpeg(optimize=True), looks)
    yield Sample("JPEG", "restarts", jpeg(restart_marker_blocks=3), looks)
    yield Sample("JPEG", "grey", jpeg(plain().convert("L")), pixels(plain().convert("L")))
    yield Sample("JPEG", "RGB by Adobe", jpeg(keep_rgb=True), looks)
    for name, data in odd_jpegs().items():
        yield Sample(f"JPEG with odd {name}", "", data, looks)
    for count in (1, 14, 100, 5000):
        for name, marker in {"DQT": 0xDB, "DHT": 0xC4, "SOF": 0xC0, "SOS": 0xDA}.items():
            yield Sample(f"JPEG with odd stray bytes before {name}", f"{count}", before(marker, b"\x2a" * count), looks)
    yield Sample("JPEG with odd stray bytes after its start", "", usual[:2] + b"\0\0\0" + usual[2:], looks)
    late = jpeg(progressive=True)
    yield Sample("JPEG with odd stray bytes before DQT", "progressive", before(0xDB, b"stray", late), looks)
    for version in (b"\0\0", b"\x03\x01", b"\x01\x63", b"\xff\xff"):
        yield Sample("JPEG with odd JFIF", version.hex("."), usual[:11] + version + usual[13:], looks)
    for name, body in {
        "empty": b"",
        "no numbers": b"\x01",
        "of none": b"\x01\x00abc",
        "numbered from zero": b"\x00\x01abc",
        "first of three": b"\x01\x03abc",
        "garbage": b"\x01\x01" + b"garbage" * 40,
    }.items():
        part = segment(0xE2, b"ICC_PROFILE\0" + body)
        yield Sample("JPEG with odd profile", name, before(0xDB, part), looks)
        yield Sample("JPEG with odd profile", f"{name}, before its scan", before(0xDA, part), looks)
    scan = usual.find(b"\xff\xda") + 11
    for parameters in (b"\x01\x3f\x00", b"\x00\x00\x00", b"\x00\x3f\x01", b"\x3f\x3f\xff"):
        odd = usual[:scan] + parameters + usual[scan + 3 :]
        yield Sample("JPEG with odd parameters of the scan", parameters.hex("."), odd, looks)
    for marker in (0xE5, 0xEC, 0xED, 0xFE):
        yield Sample("JPEG with other segments", f"{marker:x}", before(0xDA, segment(marker, b"\xff\xd9abc")), looks)
    planes = split_planes(plain(), "YCbCr")
    for count in (1, 2, 20):
        odd = write_jpeg(planes, [(2, 1), (1, 1), (1, 1)], interval=5, stray=b"\x55" * count)
        yield Sample("JPEG with odd stray bytes before restarts", f"{count}", odd, looks)
    odd = write_jpeg(planes, [(2, 1), (1, 1), (1, 1)], interval=5, stray=b"odd", by_colour=True)
    yield Sample("JPEG with odd stray bytes before restarts", "a scan for each colour", odd, looks)
    odd = write_jpeg(planes[:1], [(1, 1)], interval=5, stray=b"odd")
    yield Sample("JPEG with odd stray bytes before restarts", "grey", odd, pixels(plain().convert("L")))


def _sampled_jpegs() -> Iterator[Sample]:
    looks, planes = pixels(plain()), split_planes(plain(), "YCbCr")
    for across, down in [
        (1, 1),
        (2, 1),
        (1, 2),
        (2, 2),
        (4, 1),
        (1, 4),
        (4, 2),
        (2, 4),
        (3, 1),
        (1, 3),
        (3, 2),
        (2, 3),
    ]:
        for by_colour in (False, True):
            data = write_jpeg(planes, [(across, down), (1, 1), (1, 1)], by_colour=by_colour)
            yield Sample(f"JPEG sampled {across}x{down}", "a scan for each" if by_colour else "", data, looks)
    for sampling in ([(2, 2), (2, 1), (1, 2)], [(1, 1), (2, 2), (2, 2)], [(2, 1), (1, 1), (2, 1)]):
        yield Sample("JPEG sampled by colour", f"{sampling}", write_jpeg(planes, sampling), looks)
    for sampling in ([(3, 1), (2, 1), (1, 1)], [(3, 2), (2, 1), (1, 1)], [(4, 1), (3, 1), (1, 1)]):
        for by_colour in (False, True):
            words = ", ".join(f"{across}x{down}" for across, down in sampling)
            yield Sample(
                "JPEG sampled by fractions",
                f"{words}{' a scan for each' if by_colour else ''}",
                write_jpeg(planes, sampling, by_colour=by_colour),
                error=UnsupportedFormatError,
                words=f"sampled {words} is",
            )
    grey = write_jpeg(planes[:1], [(2, 2)])
    yield Sample("JPEG in grey, sampled 2x2", "", grey, pixels(plain().convert("L")))


def _inks() -> Iterator[Sample]:
    looks = pixels(plain())
    inks = split_planes(
        Image.merge("CMYK", [*Image.eval(plain(), lambda v: 255 - v).split(), Image.new("L", plain().size)]), "CMYK"
    )
    inverted = [255 - ink for ink in inks]
    luma = split_planes(Image.eval(plain(), lambda v: 255 - v), "YCbCr")
    samplings: dict[str, Sampling] = {
        "": [(1, 1)] * 4,
        "cyan 2x2": [(2, 2), (1, 1), (1, 1), (1, 1)],
        "black 2x1": [(1, 1), (1, 1), (1, 1), (2, 1)],
        "all but black": [(1, 1), (1, 1), (1, 1), (2, 2)],
    }
    for name, sampling in samplings.items():
        adobe = [segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform])) for transform in (0, 2)]
        yield Sample("JPEG in CMYK by Adobe", name, write_jpeg(inverted, sampling, first=adobe[0]), looks)
        yield Sample("JPEG in CMYK without Adobe", name, write_jpeg(inks, sampling), looks)
        # Red, green and blue of YCCK are the complements of its inks, and Adobe's are inverted.
        ycck = write_jpeg([*luma, inverted[3]], sampling, first=adobe[1])
        yield Sample("JPEG in YCCK by Adobe", name, ycck, looks)
        by_colour = write_jpeg(inverted, sampling, first=adobe[0], by_colour=True)
        yield Sample("JPEG in CMYK by Adobe", f"{name} a scan for each", by_colour, looks)
    usual = jpeg(plain().convert("CMYK"))
    yield Sample("JPEG in CMYK by Adobe", "Pillow's", usual, looks)
    again = before(0xDB, segment(0xEE, b"Adobe"), usual)
    yield Sample("JPEG in CMYK by Adobe", "and a shorter marker", again, looks)
