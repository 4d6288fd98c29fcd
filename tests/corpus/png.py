"""PNG: every depth and kind of colours, transparency, and what is odd or damaged."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from dandelion.domain.arrays import Pixels
from dandelion.errors import NotAnImageError, UnsupportedFormatError
from tests.corpus.sample import HEIGHT, WIDTH, Sample, chunk, encode, in_png, over_white, pixels, plain, with_hole

_PNG = b"\x89PNG\r\n\x1a\n"


def samples() -> Iterator[Sample]:
    yield from _pngs()
    yield from _deep_pngs()
    yield from _odd_pngs()


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
    looks, holed = pixels(plain()), over_white(with_hole())
    for mode in ("RGB", "RGBA", "P", "L", "LA", "1"):
        image = plain().convert(mode)
        yield Sample("PNG", mode, encode(image, "PNG"), pixels(image), margin=1)
    for kind in ("PNG", "WEBP", "AVIF"):
        options = {} if kind == "PNG" else {"quality": 98}
        yield Sample(f"{kind} with transparency", "", encode(with_hole(), kind, **options), holed)
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
    alpha = np.asarray(with_hole())
    yield Sample(
        "PNG of 16 bits with transparency",
        "",
        png((16, 6), alpha.astype(int) * 257),
        over_white(with_hole()),
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
    yield Sample("PNG of Xcode", "", apple, error=UnsupportedFormatError, words="as Xcode optimises it")
    for name, bits in {"of no bits": b"\0\0\0", "of nine bits": b"\x09\x09\x09", "empty": b""}.items():
        yield Sample("PNG with odd sBIT", name, in_png(chunk(b"sBIT", bits)), looks, margin=0)
