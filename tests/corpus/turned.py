"""Photos that their metadata turn, and files of more than one picture."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator

from dandelion.errors import NotAnImageError
from tests.corpus.jpeg import before
from tests.corpus.sample import UNDO, Sample, box, chunk, encode, exif, in_png, jpeg, pixels, plain, xmp
from tests.jpegs import segment


def samples() -> Iterator[Sample]:
    yield from _turned()
    yield from _several_pictures()


def _turned() -> Iterator[Sample]:
    looks = pixels(plain())
    for turned, undo in UNDO.items():
        stored = undo(plain())
        for kind in ("JPEG", "PNG", "WEBP", "AVIF"):
            options: dict[str, object] = {"quality": 95} if kind != "PNG" else {}
            yield Sample(
                f"{kind} turned by EXIF", f"{turned}", encode(stored, kind, exif=exif(turned), **options), looks
            )
        yield Sample("JPEG turned by XMP", f"{turned}", jpeg(stored, xmp=xmp(turned)), looks)
        text = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(turned, as_element=True)
        yield Sample("PNG turned by XMP", f"{turned}", in_png(chunk(b"iTXt", text), stored), looks)
    stored = UNDO[6](plain())
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
