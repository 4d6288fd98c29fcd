"""Photos as cameras and programs really write them, each with what it must look like or why it is refused."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pillow_heif  # writes HEIC, which the reader that we use cannot
from PIL import Image, ImageCms, ImageDraw

from dandelion.domain.arrays import Pixels
from dandelion.errors import NotAnImageError, PhotoError, UnsupportedFormatError
from tests.jpegs import Sampling, segment, segments, split_planes, write_jpeg
from tests.profiles import WIDE, grey_profile, ink_profile, rgb_profile

WIDTH, HEIGHT = 160, 120
MARGIN = 8.0  # by which formats that lose details may differ, of 255, on average
_PNG = b"\x89PNG\r\n\x1a\n"

Turn = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class Sample:
    """A file of the corpus.

    Attributes:
        kind: What is odd about it.
        variant: Which of its kind it is.
        data: The file.
        looks: uint8 RGB [H, W, 3], what it must look like, to `margin` on average; None if it is refused.
        error: The error's class, if it is refused.
        words: What the error says.
    """

    kind: str
    variant: str
    data: bytes
    looks: Pixels | None = None
    margin: float = MARGIN
    error: type[PhotoError] = PhotoError
    words: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.variant}" if self.variant else self.kind


@cache
def plain() -> Image.Image:
    """A flower on a meadow, with a corner of its own colour, so that no two orientations look the same."""
    across, down = np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT)[:, np.newaxis]
    meadow = np.stack([60 + 60 * down + 0 * across, 120 + 50 * across + 0 * down, 40 + 30 * across * down], axis=-1)
    image = Image.fromarray(meadow.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((50, 30, 110, 90), fill=(235, 200, 40))
    draw.ellipse((70, 50, 90, 70), fill=(200, 140, 30))
    draw.rectangle((0, 0, 30, 20), fill=(190, 50, 60))
    return image


def pixels(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB"))


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(stream, quality=95, chroma=444, **options)
    else:
        image.save(stream, kind, **options)
    return stream.getvalue()


def jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    return encode(image or plain(), "JPEG", **{"quality": 95, **options})


def chunk(kind: bytes, body: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def box(kind: bytes, body: bytes) -> bytes:
    """Of an AVIF or HEIC."""
    return struct.pack(">I", len(body) + 8) + kind + body


def corpus() -> Iterator[Sample]:
    for kinds in (
        *(_odd_jpegs, _sampled_jpegs, _inks, _ends, _unread_jpegs, _turned, _several_pictures, _pngs, _deep_pngs),
        *(_odd_pngs, _bitmaps_and_gifs, _webp_avif_heic, _colours, _slivers, _other_formats),
    ):
        yield from kinds()


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


def ends(data: bytes) -> dict[str, bytes]:
    """What may follow the data of a JPEG's scan, which `data` ends with."""
    return {
        "nothing": data,
        "an end": data + b"\xff\xd9",
        "zeros": data + bytes(20_000),
        "zeros and an end": data + bytes(20_000) + b"\xff\xd9",
        "text": data + b"some other data, " * 1_000,
        "text and an end": data + b"some other data, " * 1_000 + b"\xff\xd9",
        "noise": data + np.random.default_rng(1).bytes(20_000),
        "noise and an end": data + np.random.default_rng(2).bytes(20_000) + b"\xff\xd9",
        "another photo": data + jpeg(plain().rotate(180)),
        "a film": data + box(b"ftyp", b"mp42") + box(b"mdat", bytes(range(256)) * 40),
    }


def _ends() -> Iterator[Sample]:
    looks = pixels(plain())
    for name, data in {"": jpeg(), "progressive": jpeg(progressive=True)}.items():
        kind = f"JPEG {name}".strip()
        yield Sample(f"{kind} without its end", "", data[:-2], looks)
        yield Sample(f"{kind} without its end", "but zeros", data[:-2] + bytes(9_000), looks)
        yield Sample(f"{kind} without its end", "half of it", data[:-1], looks)
        yield Sample(f"{kind} without its end", "zeros before it", data[:-2] + bytes(9_000) + data[-2:], looks)
        yield Sample(f"{kind} without its end", "fill bytes", data[:-2] + b"\xff" * 99, looks)
        for what, followed in ends(data).items():
            yield Sample(f"{kind} followed by something", what, followed, looks)
        for part in (0.1, 0.5, 0.9, 0.98):
            for what, cut in ends(data[: int(part * len(data))]).items():
                if not (name and what == "a film"):
                    yield Sample(
                        f"{kind} that is cut off", f"{part:.0%}, {what}", cut, error=NotAnImageError, words="cut off"
                    )
    yield Sample("JPEG without its end", "but another photo", jpeg()[:-2] + jpeg(plain().rotate(180)), looks)


def _unread_jpegs() -> Iterator[Sample]:
    def framed(marker: int, bits: int = 8, colours: int = 3, height: int = HEIGHT) -> bytes:
        described = b"".join(bytes([n + 1, 0x11, 0]) for n in range(colours))
        frame = segment(marker, struct.pack(">BHHB", bits, height, WIDTH, colours) + described)
        return b"".join([b"\xff\xd8", *(frame if each == 0xC0 else part for each, part in segments(jpeg()))])

    unsupported = UnsupportedFormatError
    for bits in (12, 16):
        yield Sample("JPEG of more than 8 bits", f"{bits}", framed(0xC1, bits), error=unsupported, words=f"{bits} bits")
    yield Sample("JPEG of more than 8 bits", "progressive", framed(0xC2, 12), error=unsupported, words="12 bits")
    yield Sample("JPEG, lossless", "", framed(0xC3), error=unsupported, words="Lossless JPEG")
    yield Sample("JPEG-LS", "", framed(0xF7), error=unsupported, words="JPEG-LS")
    for marker in (0xC9, 0xCA):
        yield Sample(
            "JPEG, arithmetic", f"{marker:x}", framed(marker), error=unsupported, words="Arithmetic-coded JPEG"
        )
    for marker in (0xC5, 0xC7, 0xCB, 0xCF):
        yield Sample("JPEG, hierarchical", f"{marker:x}", framed(marker), error=unsupported, words="Hierarchical")
    for colours in (2, 5):
        words = f"{colours} colours"
        yield Sample("JPEG of other colours", words, framed(0xC0, colours=colours), error=unsupported, words=words)
    yield Sample("JPEG of no height", "", framed(0xC0, height=0), error=NotAnImageError, words="160 x 0")
    usual = jpeg()
    for part in (4, 100, usual.find(b"\xff\xda")):
        yield Sample("JPEG cut off before its picture", f"{part}", usual[:part], error=NotAnImageError, words="cut off")
    # Its second and third colours never come.
    one = write_jpeg(split_planes(plain(), "YCbCr"), [(1, 1)] * 3, by_colour=True)
    second = one.find(b"\xff\xda", one.find(b"\xff\xda") + 2)
    yield Sample("JPEG without a colour", "", one[:second] + b"\xff\xd9", error=NotAnImageError, words="colours")
    odd = write_jpeg(split_planes(plain(), "YCbCr"), [(3, 1), (1, 1), (1, 1)], by_colour=True)
    second = odd.find(b"\xff\xda", odd.find(b"\xff\xda") + 2)
    described = bytes([11, 0x31, 0, 12, 0x11, 0, 13, 0x11, 0])
    for marker in (0xC0, 0xC1):
        frame = segment(marker, struct.pack(">BHHB", 8, HEIGHT, WIDTH, 3) + described)
        data = odd[:second] + frame + odd[second:]
        yield Sample("JPEG of two frames", f"{marker:x}", data, error=NotAnImageError, words="two frames")
    scan = odd[odd.rfind(b"\xff\xda") : -2]
    data = odd[:-2] + scan + odd[-2:]
    yield Sample("JPEG of too many scans", "", data, error=NotAnImageError, words="more scans than colours")
    fine = jpeg(progressive=True)
    for count in range(1, fine.count(b"\xff\xda")):
        at = -1
        for _ in range(count):
            at = fine.find(b"\xff\xda", at + 1)
        following = fine.find(b"\xff\xc4", at)
        for end in (b"", b"\xff\xd9"):
            yield Sample(
                "JPEG progressive without some scans",
                f"{count} {end.hex()}",
                fine[:following] + end,
                error=NotAnImageError,
                words="lacks a scan",
            )
    four = bytearray(fine)
    at = fine.find(b"\xff\xc2")
    four[at + 11] = 0x42
    yield Sample("JPEG progressive, sampled 4x2", "", bytes(four), error=unsupported, words="4x2")


_UNDO: dict[int, Turn] = {
    2: lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda i: i.transpose(Image.Transpose.ROTATE_180),
    4: lambda i: i.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda i: i.transpose(Image.Transpose.TRANSPOSE),
    6: lambda i: i.transpose(Image.Transpose.ROTATE_90),
    7: lambda i: i.transpose(Image.Transpose.TRANSVERSE),
    8: lambda i: i.transpose(Image.Transpose.ROTATE_270),
}


def xmp(turned: int, *, as_element: bool = False) -> bytes:
    said = f"<tiff:Orientation>{turned}</tiff:Orientation>" if as_element else ""
    attribute = "" if as_element else f' tiff:Orientation="{turned}"'
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/"{attribute}>{said}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def exif(turned: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = turned
    return tags.tobytes()


def in_png(added: bytes, image: Image.Image | None = None) -> bytes:
    """A PNG with chunks before its picture."""
    data = encode(image or plain(), "PNG")
    return data[:33] + added + data[33:]


def _turned() -> Iterator[Sample]:
    looks = pixels(plain())
    for turned, undo in _UNDO.items():
        stored = undo(plain())
        for kind in ("JPEG", "PNG", "WEBP", "AVIF"):
            options: dict[str, object] = {"quality": 95} if kind != "PNG" else {}
            yield Sample(
                f"{kind} turned by EXIF", f"{turned}", encode(stored, kind, exif=exif(turned), **options), looks
            )
        yield Sample("JPEG turned by XMP", f"{turned}", jpeg(stored, xmp=xmp(turned)), looks)
        text = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(turned, as_element=True)
        yield Sample("PNG turned by XMP", f"{turned}", in_png(chunk(b"iTXt", text), stored), looks)
    stored = _UNDO[6](plain())
    yield Sample("JPEG turned by XMP", "as an element", jpeg(stored, xmp=xmp(6, as_element=True)), looks)
    yield Sample("JPEG turned by EXIF", "and not by XMP", jpeg(stored, exif=exif(6), xmp=xmp(3)), looks)
    yield Sample("WEBP turned by XMP", "", encode(stored, "WEBP", quality=95, xmp=xmp(6)), looks)
    packed = b"XML:com.adobe.xmp\0\x01\0en\0Name\0" + zlib.compress(xmp(6))
    yield Sample("PNG turned by XMP", "packed", in_png(chunk(b"iTXt", packed), stored), looks)
    digits = exif(6).hex()
    raw = f"\nexif\n{len(digits) // 2:8}\n" + "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72)) + "\n"
    for name in (b"exif", b"APP1"):
        keyword = b"Raw profile type " + name + b"\0"
        yield Sample(
            "PNG turned by a raw profile",
            f"{name!r} packed",
            in_png(chunk(b"zTXt", keyword + b"\0" + zlib.compress(raw.encode())), stored),
            looks,
        )
        yield Sample(
            "PNG turned by a raw profile", f"{name!r}", in_png(chunk(b"tEXt", keyword + raw.encode()), stored), looks
        )
    png = encode(stored, "PNG")
    yield Sample("PNG turned by EXIF", "behind its picture", png[:-12] + chunk(b"eXIf", exif(6)[6:]) + png[-12:], looks)


def _several_pictures() -> Iterator[Sample]:
    looks = pixels(plain())
    other = plain().rotate(180)
    stream = io.BytesIO()
    plain().save(stream, "MPO", save_all=True, append_images=[other], quality=95)
    yield Sample("JPEG with a second picture", "MPO", stream.getvalue(), looks)
    gain = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<hdrgm:Version>1.0</hdrgm:Version>")
    gain += segment(0xE2, b"MPF\0MM\0\x2a\0\0\0\x08") + segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0")
    yield Sample("JPEG with a gain map", "", before(0xDB, gain) + jpeg(other.convert("L")), looks)
    film = box(b"ftyp", b"mp42") + box(b"mdat", b"\xff\xd8\xff\xda a film" * 200)
    yield Sample("JPEG with a film", "", jpeg() + film, looks)
    thumbnail = segment(0xE1, exif(1) + jpeg(other.resize((32, 24))))
    yield Sample("JPEG with a thumbnail", "", before(0xDB, thumbnail), looks)
    for kind in ("GIF", "WEBP", "PNG", "AVIF"):
        stream = io.BytesIO()
        options: dict[str, object] = {"quality": 95} if kind in {"WEBP", "AVIF"} else {}
        plain().save(stream, kind, save_all=True, append_images=[other], **options)
        yield Sample(f"{kind}, animated", "", stream.getvalue(), looks)
    timeless = bytearray(stream.getvalue())  # AVIF, the last one
    at = timeless.find(b"mdhd") + 4
    scale = at + (20 if timeless[at] else 12)  # behind two times, of 8 or 4 bytes
    timeless[scale : scale + 4] = bytes(4)
    yield Sample("AVIF, animated", "without time", bytes(timeless), error=NotAnImageError, words="damaged")


def _over_white(image: Image.Image) -> Pixels:
    rgba = image.convert("RGBA")
    return pixels(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba))


def _with_hole() -> Image.Image:
    image = plain().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 80, 60))
    return image


def png(header: tuple[int, int], rows: Pixels, *extra: bytes, order: str = ">u2") -> bytes:
    """A PNG of these samples, of a depth and a type of colours."""
    depth, colours = header
    height, width = rows.shape[:2]
    if depth < 8:
        bits = np.unpackbits(rows.astype(np.uint8)[..., np.newaxis], axis=-1)[..., 8 - depth :]
        lines = np.packbits(bits.reshape(height, -1), axis=1)
    else:
        lines = rows.reshape(height, -1).astype(order if depth == 16 else np.uint8).view(np.uint8).reshape(height, -1)
    data = zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    return b"".join([_PNG, head, *extra, chunk(b"IDAT", data), chunk(b"IEND", b"")])


def _pngs() -> Iterator[Sample]:
    looks, holed = pixels(plain()), _over_white(_with_hole())
    for mode in ("RGB", "RGBA", "P", "L", "LA", "1"):
        image = plain().convert(mode)
        yield Sample("PNG", mode, encode(image, "PNG"), pixels(image), margin=1)
    for kind in ("PNG", "WEBP", "AVIF"):
        options = {} if kind == "PNG" else {"quality": 98}
        yield Sample(f"{kind} with transparency", "", encode(_with_hole(), kind, **options), holed)
    palette = plain().quantize(64)
    seen = np.asarray(palette.convert("RGB")).copy()
    seen[np.asarray(palette) == 7] = 255
    yield Sample("PNG with transparency", "palette", encode(palette, "PNG", transparency=7), seen, margin=1)
    grey = np.asarray(plain().convert("L"))
    for depth in (1, 2, 4, 8, 16):
        most = (1 << depth) - 1
        samples = (grey.astype(int) * (257 if depth == 16 else 1) >> max(0, 8 - depth)).clip(0, most)
        clear = int(samples[5, 5])
        shown = (samples * 255 // most).astype(np.uint8)
        shown = np.repeat(np.where(samples == clear, 255, shown).astype(np.uint8)[..., np.newaxis], 3, axis=-1)
        data = png((depth, 0), samples, chunk(b"tRNS", struct.pack(">H", clear)))
        yield Sample("PNG in grey with a clear shade", f"{depth} bits", data, shown, margin=1)
    for depth in (8, 16):
        samples = looks.astype(int) * (257 if depth == 16 else 1)
        clear = samples[5, 5]
        data = png((depth, 2), samples, chunk(b"tRNS", struct.pack(">3H", *clear)))
        shown = np.where((samples == clear).all(axis=-1, keepdims=True), 255, looks).astype(np.uint8)
        yield Sample("PNG with a clear colour", f"{depth} bits", data, shown, margin=1)


def _deep_pngs() -> Iterator[Sample]:
    looks = pixels(plain())
    grey = np.asarray(plain().convert("L"))
    as_rgb = np.repeat(grey[..., np.newaxis], 3, axis=-1)
    for bits in (10, 12, 14, 16):
        most = (1 << bits) - 1
        for colours, shown, samples in ((0, as_rgb, grey), (2, looks, looks)):
            of = "grey" if colours == 0 else "colour"
            low, high = samples.astype(int) * most // 255, samples.astype(int) * 257
            says = chunk(b"sBIT", bytes([bits] * (1 if colours == 0 else 3)))
            yield Sample(f"PNG of {bits} bits in 16, {of}", "", png((16, colours), low, says), shown, margin=1)
            yield Sample(
                f"PNG of {bits} bits in 16, {of}", "at the top", png((16, colours), high, says), shown, margin=1
            )
            if bits in {10, 12, 16}:
                yield Sample(f"PNG of {bits} bits in 16, {of}", "unsaid", png((16, colours), low), shown, margin=1)
    alpha = np.asarray(_with_hole())
    yield Sample(
        "PNG of 16 bits with transparency",
        "",
        png((16, 6), alpha.astype(int) * 257),
        _over_white(_with_hole()),
        margin=1,
    )
    most = 4095
    holes = alpha[..., 3].astype(int)
    for colours, shown, samples in ((4, as_rgb, grey[..., np.newaxis]), (6, looks, looks)):
        of = "grey" if colours == 4 else "colour"
        seen = np.where(holes[..., np.newaxis] == 0, 255, shown).astype(np.uint8)
        for bits in (12, 16):
            low = np.dstack([samples.astype(int) * most // 255, holes * ((1 << bits) - 1) // 255])
            for said in (b"", chunk(b"sBIT", bytes([12] * samples.shape[-1] + [bits]))):
                variant = f"alpha of {bits} bits{', said' if said else ''}"
                data = png((16, colours), low, said)
                yield Sample(f"PNG of 12 bits in 16, {of} with transparency", variant, data, seen, margin=1)
    # Colours that differ from the clear one in their lower bytes only, where they are stretched and where not.
    for name, low in {"dark": looks.astype(int) * most // 255, "bright": looks.astype(int) * 257}.items():
        low[:60, :80] = low[5, 5]
        low[60:, :80] = low[5, 5] ^ 1
        close = np.array(looks)
        close[:60, :80], close[60:, :80] = 255, looks[5, 5]
        data = png((16, 2), low, chunk(b"tRNS", struct.pack(">3H", *low[5, 5])))
        yield Sample("PNG of 16 bits with a clear colour and one close to it", name, data, close, margin=1)
    dark = as_rgb // 8
    yield Sample("PNG of 16 bits, dark", "", png((16, 0), grey.astype(int) // 8 * 257), dark, margin=1)
    black = np.zeros((HEIGHT, WIDTH), dtype=int)
    yield Sample("PNG of 16 bits, black", "", png((16, 0), black), np.zeros_like(as_rgb), margin=0)


def _odd_pngs() -> Iterator[Sample]:
    looks, usual = pixels(plain()), encode(plain(), "PNG")
    at = usual.find(b"IDAT")
    length = int.from_bytes(usual[at - 4 : at], "big")
    crc = at + 4 + length
    yield Sample(
        "PNG with a wrong checksum", "of its picture", usual[:crc] + b"\0\0\0\0" + usual[crc + 4 :], looks, margin=0
    )
    for where, first in (("of its header", 29),):
        wrong = usual[:first] + b"\0\0\0\0" + usual[first + 4 :]
        yield Sample("PNG with a wrong checksum", where, wrong, error=NotAnImageError, words="damaged")
    middle = at + 4 + length // 2
    spoilt = usual[:middle] + bytes([usual[middle] ^ 0x55, usual[middle + 1] ^ 0x55]) + usual[middle + 2 :]
    yield Sample("PNG with a spoilt picture", "", spoilt, error=NotAnImageError, words="damaged")
    yield Sample("PNG without its end", "", usual[:-12], looks, margin=0)
    yield Sample("PNG followed by something", "", usual + b"some other data", looks, margin=0)
    yield Sample("PNG that is cut off", "", usual[: len(usual) // 2], error=NotAnImageError, words="cut off")
    apple = _PNG + chunk(b"CgBI", b"\x50\0\x20\x02") + usual[8:]
    yield Sample("PNG of Xcode", "", apple, error=UnsupportedFormatError, words="pngcrush -revert")
    for name, bits in {"of no bits": b"\0\0\0", "of nine bits": b"\x09\x09\x09", "empty": b""}.items():
        yield Sample("PNG with odd sBIT", name, in_png(chunk(b"sBIT", bits)), looks, margin=0)


def _bitmaps_and_gifs() -> Iterator[Sample]:
    looks = pixels(plain())
    for mode in ("RGB", "L", "P", "1"):
        image = plain().convert(mode)
        yield Sample("BMP", mode, encode(image, "BMP"), pixels(image), margin=1)

    def bitmap(alpha: Pixels, header: int, *, downwards: bool = False) -> bytes:
        pixel = np.dstack([looks[..., ::-1], alpha])
        body = (pixel if downwards else pixel[::-1]).tobytes()
        height = -HEIGHT if downwards else HEIGHT
        info = struct.pack("<IiiHHIIiiII", header, WIDTH, height, 1, 32, 3, len(body), 0, 0, 0, 0)
        info += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
        info = info.ljust(max(header, 56), b"\0")
        return struct.pack("<2sIHHI", b"BM", 14 + len(info) + len(body), 0, 0, 14 + len(info)) + info + body

    for header in (56, 108, 124):
        for downwards in (False, True):
            data = bitmap(np.zeros((HEIGHT, WIDTH), dtype=np.uint8), header, downwards=downwards)
            yield Sample("BMP of 32 bits, nowhere opaque", f"{header} {downwards}", data, looks, margin=0)
    holed = np.asarray(_with_hole())[..., 3]
    seen = np.where(holed[..., np.newaxis] == 0, 255, looks).astype(np.uint8)
    yield Sample("BMP of 32 bits with transparency", "", bitmap(holed, 108), seen, margin=0)

    gif = encode(plain(), "GIF")
    yield Sample("GIF", "", gif, looks)
    yield Sample("GIF", "interlaced", encode(plain(), "GIF", interlace=1), looks)
    screen = np.full((HEIGHT + 30, WIDTH + 50, 3), 255, dtype=np.uint8)
    for left, top in ((0, 0), (50, 30), (20, 10)):
        seen = screen.copy()
        seen[top : top + HEIGHT, left : left + WIDTH] = looks
        frame = gif.find(b",\0\0\0\0" + struct.pack("<HH", WIDTH, HEIGHT))
        data = gif[:6] + struct.pack("<HH", WIDTH + 50, HEIGHT + 30) + gif[10 : frame + 1]
        data += struct.pack("<HH", left, top) + gif[frame + 5 :]
        yield Sample("GIF with a frame smaller than its screen", f"{left} {top}", data, seen)
    quantised = _with_hole()
    yield Sample("GIF with transparency", "", encode(quantised, "GIF"), _over_white(quantised))


def _webp_avif_heic() -> Iterator[Sample]:
    looks = pixels(plain())
    yield Sample("WEBP", "", encode(plain(), "WEBP", quality=95), looks)
    yield Sample("WEBP", "lossless", encode(plain(), "WEBP", lossless=True), looks, margin=0)
    yield Sample("AVIF", "", encode(plain(), "AVIF", quality=95), looks)
    for subsampling in ("4:4:4", "4:2:0", "4:0:0"):
        seen = pixels(plain().convert("L")) if subsampling == "4:0:0" else looks
        yield Sample("AVIF", subsampling, encode(plain(), "AVIF", quality=95, subsampling=subsampling), seen)
    yield Sample("HEIC", "", encode(plain(), "HEIF"), looks)
    yield Sample("HEIC", "grey", encode(plain().convert("L"), "HEIF"), pixels(plain().convert("L")))
    yield Sample("HEIC turned by EXIF and itself", "6", encode(_UNDO[6](plain()), "HEIF", exif=exif(6)), looks)
    yield Sample("HEIC turned by EXIF and itself", "5", encode(_UNDO[5](plain()), "HEIF", exif=exif(5)), looks)
    for name, (columns, rows, left, top) in {"middle": (80, 60, 40, 30), "corner": (64, 48, 0, 0)}.items():
        data = with_aperture(encode(plain(), "AVIF", quality=95), columns, rows, left, top)
        yield Sample("AVIF with an aperture", name, data, looks[top : top + rows, left : left + columns])
        stored = encode(_UNDO[6](plain()), "AVIF", quality=95, exif=exif(6))
        data = with_aperture(stored, rows, columns, top, WIDTH - left - columns)
        yield Sample("AVIF with an aperture", f"{name}, turned", data, looks[top : top + rows, left : left + columns])
    data = with_aperture(encode(plain(), "AVIF", quality=95), 0, 0, 0, 0)
    yield Sample("AVIF with an aperture", "of nothing", data, looks)


def with_aperture(avif: bytes, columns: int, rows: int, left: int, top: int) -> bytes:
    """An AVIF of one picture, of which only a part is shown."""
    width, height = struct.unpack_from(">II", avif, avif.find(b"ispe") + 8)
    halves = (2 * left + columns - width, 2, 2 * top + rows - height, 2)
    clap = box(b"clap", struct.pack(">IIIIiIiI", columns, 1, rows, 1, *halves))
    at = avif.find(b"ipco") - 4
    end = at + int.from_bytes(avif[at : at + 4], "big")
    properties = sum(1 for _ in _boxes(avif, at + 8, end))
    link = avif.find(b"ipma")
    data = bytearray(avif)
    # One item's list of properties grows by one byte, behind the size, the rotation stays behind the aperture.
    count = link + 4 + 4 + 4 + 2
    data[count] += 1
    first = count + 1
    data[first + 1 : first + 1] = bytes([0x80 | properties + 1])
    data[end:end] = clap
    for name, grown in ((b"ipco", len(clap)), (b"ipma", 1), (b"iprp", len(clap) + 1), (b"meta", len(clap) + 1)):
        size = data.find(name) - 4
        struct.pack_into(">I", data, size, int.from_bytes(data[size : size + 4], "big") + grown)
    place = data.find(b"iloc")
    # Of each item: number, source, count, place and size, of one extent.
    items = int.from_bytes(data[place + 10 : place + 12], "big")
    for item in range(items):
        offset = place + 12 + item * 14 + 6
        struct.pack_into(">I", data, offset, int.from_bytes(data[offset : offset + 4], "big") + len(clap) + 1)
    return bytes(data)


def _boxes(data: bytes, at: int, end: int) -> Iterator[bytes]:
    while at < end:
        yield data[at + 4 : at + 8]
        at += int.from_bytes(data[at : at + 4], "big")


def _in_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """The picture with the colours that its profile needs to look the same."""
    to = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    found = ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), to, outputMode="RGB")
    assert found is not None
    return found


def _colours() -> Iterator[Sample]:
    looks = pixels(plain())
    for name, columns in WIDE.items():
        profile = rgb_profile(columns)
        image = _in_profile(plain(), profile)
        for kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF"):
            options: dict[str, object] = {} if kind in {"PNG", "HEIF"} else {"quality": 95}
            yield Sample(f"{kind} in {name}", "", encode(image, kind, icc_profile=profile, **options), looks, margin=5)
    wide = rgb_profile(WIDE["Display P3"], padding=150_000)
    image = _in_profile(plain(), wide)
    yield Sample("JPEG in Display P3", "of several parts", jpeg(image, icc_profile=wide), looks, margin=5)
    yield Sample("JPEG in Display P3", "progressive", jpeg(image, icc_profile=wide, progressive=True), looks, margin=5)
    turned = jpeg(_UNDO[6](image), icc_profile=rgb_profile(WIDE["Display P3"]), exif=exif(6))
    yield Sample("JPEG in Display P3", "turned", turned, looks, margin=5)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF"):
        options = {} if kind in {"PNG", "HEIF"} else {"quality": 95}
        yield Sample(f"{kind} in sRGB", "", encode(plain(), kind, icc_profile=srgb, **options), looks, margin=5)
        if kind != "AVIF":  # libavif refuses them
            for what, broken in {"broken": wide[:200], "garbage": b"garbage" * 30, "of inks": ink_profile()}.items():
                yield Sample(
                    f"{kind} with a {what} profile",
                    "",
                    encode(plain(), kind, icc_profile=broken, **options),
                    looks,
                    margin=5,
                )
    bomb = b"name\0\0" + zlib.compress(bytes(50_000_000))
    yield Sample("PNG with a profile bomb", "", in_png(chunk(b"iCCP", bomb)), looks, margin=0)
    yield Sample("PNG with a broken profile", "not packed", in_png(chunk(b"iCCP", b"name\0\0garbage")), looks, margin=0)
    yield Sample("PNG with a broken profile", "empty", in_png(chunk(b"iCCP", b"")), looks, margin=0)
    grey, linear = plain().convert("L"), grey_profile(1.0)
    light = np.asarray(grey) / 255
    stored = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    image = Image.fromarray(np.rint(255 * stored).astype(np.uint8))
    for kind in ("JPEG", "PNG"):
        options = {"quality": 98} if kind == "JPEG" else {}
        yield Sample(
            f"{kind} in grey with a profile",
            "",
            encode(image, kind, icc_profile=linear, **options),
            pixels(grey),
            margin=5,
        )
        odd = encode(grey, kind, icc_profile=srgb, **options)
        yield Sample(f"{kind} in grey with a profile", "of RGB", odd, pixels(grey), margin=5)
    profile = ink_profile()
    inks = plain().convert("CMYK")
    to = ImageCms.profileToProfile(
        inks, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert to is not None
    yield Sample("JPEG in CMYK with a profile", "", jpeg(inks, icc_profile=profile, quality=98), pixels(to), margin=5)
    yield Sample("JPEG in CMYK with a profile", "of RGB", jpeg(inks, icc_profile=wide), looks)


def _slivers() -> Iterator[Sample]:
    for size in ((1, 1), (1, 900), (900, 1), (3000, 40), (17, 1300)):
        image = plain().resize(size)
        for kind in ("JPEG", "PNG", "WEBP"):
            options: dict[str, object] = {"quality": 98} if kind != "PNG" else {}
            yield Sample(
                f"{kind} of unusual shape",
                f"{size[0]} x {size[1]}",
                encode(image, kind, **options),
                pixels(image),
                margin=20,
            )


def _other_formats() -> Iterator[Sample]:
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
    files: dict[str, dict[str, bytes]] = {
        "TIFF": {"little": encode(plain(), "TIFF"), "big": b"MM\0*" + bytes(40)},
        "BigTIFF": {"little": b"II+\0\x08\0\0\0" + bytes(40), "big": b"MM\0+\0\x08\0\0" + bytes(40)},
        "JPEG 2000": {"JP2": encode(plain(), "JPEG2000"), "codestream": b"\xff\x4f\xff\x51" + bytes(60)},
        "JPEG XL": {"container": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "codestream": b"\xff\x0a" + bytes(40)},
        "ICNS": {"": b"icns" + bytes(40)},
        "ICO": {"": encode(plain(), "ICO")},
        "Photoshop": {"": b"8BPS" + bytes(40)},
        "PDF": {"": encode(plain(), "PDF")},
        "PostScript": {"": b"%!PS-Adobe-3.0 EPSF-3.0\n"},
        "MOV video": {
            "": box(b"ftyp", b"qt  " + bytes(8)),
            "old": box(b"moov", bytes(40)),
            "data first": box(b"wide", b"") + bytes(40),
        },
        "MP4 video": {brand: box(b"ftyp", brand.encode() + bytes(8)) for brand in ("isom", "mp42", "avc1")},
        "Matroska or WebM": {"": b"\x1aE\xdf\xa3" + bytes(40)},
        "AVI video": {"": b"RIFF\0\0\0\0AVI LIST"},
        "A camera's raw file": {
            "CR2": b"II*\0\x10\0\0\0CR\x02\0" + bytes(60),
            "CR3": box(b"ftyp", b"crx " + bytes(8)),
            "RAF": b"FUJIFILMCCD-RAW 0201" + bytes(60),
            "RW2": b"IIU\0" + bytes(60),
            "ORF": b"IIRO" + bytes(60),
            "NEF": b"MM\0*" + bytes(60) + b"NIKON CORPORATION",
            "DNG": b"II*\0\x08\0\0\0\x01\0\x12\xc6\x01\0\x04\0\0\0\x01\x04\0\0" + bytes(60),
        },
        "SVG": {
            "": svg,
            "comment first": b"<!-- " + b"drawn by hand " * 60 + b"-->" + svg,
            "document type": b'<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x.dtd">' + svg,
            "UTF-16": "\ufeff<svg xmlns='x'/>".encode("utf-16-le"),
            "byte order mark": b"\xef\xbb\xbf" + svg,
        },
        "A web page": {"": b"<!DOCTYPE html><html>", "comment": b"<!-- x -->\n<html><body>not found</body></html>"},
        "Base64 text": {"": base64.b64encode(jpeg()), "PNG": base64.b64encode(encode(plain(), "PNG"))},
        "A data URL": {"": b"data:image/jpeg;base64," + base64.b64encode(jpeg())},
        "A ZIP archive": {"": b"PK\x03\x04" + bytes(40)},
        "Netpbm": {"": encode(plain(), "PPM")},
        "DICOM": {"": bytes(128) + b"DICM" + bytes(20)},
        "OpenEXR": {"": b"v/1\x01" + bytes(20)},
    }
    for kind, variants in files.items():
        for variant, data in variants.items():
            yield Sample(kind, variant, data, error=UnsupportedFormatError, words=f"{kind}")
    for name, data in {
        "nothing": b"",
        "text": b"hello, I am no photo",
        "zeros": bytes(9_000),
        "XML": b"<photo/>",
    }.items():
        yield Sample("No image", name, data, error=NotAnImageError, words="not an image" if data else "0 bytes")
