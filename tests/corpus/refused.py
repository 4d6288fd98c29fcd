"""What is refused: kinds of JPEG, and other formats."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator

from dandelion.errors import NotAnImageError, UnsupportedFormatError
from tests.corpus.sample import HEIGHT, WIDTH, Sample, box, encode, jpeg, plain
from tests.jpegs import segment, segments, split_planes, write_jpeg


def samples() -> Iterator[Sample]:
    yield from _unread_jpegs()
    yield from _other_formats()


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


def _other_formats() -> Iterator[Sample]:
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
    files: dict[str, dict[str, bytes]] = {
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
