"""The names of formats that are not read, so that their photos are not called damaged."""

from __future__ import annotations

import re

_READABLE_STARTS = {b"\x89PNG\r\n\x1a\n": "PNG", b"GIF8": "GIF", b"BM": "BMP", b"II*\x00": "TIFF", b"MM\x00*": "TIFF"}
_STARTS = {
    b"%PDF": "PDF",
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",
    b"II+\x00": "BigTIFF",
    b"MM\x00+": "BigTIFF",
    b"8BPS": "Photoshop",
    b"gimp xcf": "GIMP",
    b"\x00\x00\x01\x00": "ICO",
    b"\x00\x00\x02\x00": "CUR",
    b"icns": "ICNS",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"II\xbc\x01": "JPEG XR",
    b"qoif": "QOI",
    b"DDS ": "DDS",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"SIMPLE  =": "FITS",
    b"AT&TFORM": "DjVu",
    b"BPG\xfb": "BPG",
    b"\x1aE\xdf\xa3": "Matroska or WebM video",
    b"\xd7\xcd\xc6\x9a": "WMF",
    b"PK\x03\x04": "A ZIP archive",
    b"\x1f\x8b": "A gzip archive",
    b"Rar!": "A RAR archive",
    b"7z\xbc\xaf": "A 7-Zip archive",
    # Photos as text, which some programs send as they are.
    b"data:image/": "A data URL",
    b"/9j/4": "Base64 text",
    b"iVBORw0KGgo": "Base64 text",
}
# Raw files of cameras that no TIFF reader opens, or that tell themselves apart from other TIFFs.
_RAW_STARTS = (
    b"FUJIFILMCCD-RAW",
    b"IIU\x00",
    b"IIRO",
    b"IIRS",
    b"MMOR",
    b"FOVb",
    b"\x00MRM",
    b"II\x1a\x00\x00\x00HEAPCCDR",
)
_CANON_AT, _CANON = 8, b"CR\x02"
# Makers whose raw files are TIFFs with another suffix; and DNG's own version tag, 0xC612, an entry of 4 bytes.
_RAW_TIFF = re.compile(
    rb"\x12\xc6\x01\x00\x04\x00\x00\x00|\xc6\x12\x00\x01\x00\x00\x00\x04|NIKON|SONY|PENTAX|SAMSUNG|Hasselblad|Phase One"
)
# Why a raw file is refused, and what to do instead.
_RAW_NAME, _EXPORT = "A camera's raw file", "Export it as a JPEG from the camera's or the photo program."
RAW = (f"{_RAW_NAME} is not supported.", _EXPORT)
_STILL = "Send a single frame of it as a JPEG."
_DECODED = "Send the bytes that the text stands for."
_REMEDIES = {
    "A data URL": _DECODED,
    "Base64 text": _DECODED,
    "JPEG 2000": "Convert it, such as by `magick photo.jp2 photo.jpg`.",
    "JPEG XL": "Convert it, such as by `djxl photo.jxl photo.jpg`.",
    "JPEG XR": "Convert it, such as by `magick photo.jxr photo.jpg`.",
    "BigTIFF": "Convert it, such as by `magick photo.tif photo.jpg`.",
}
_MP4 = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"MSNV", b"dash")
_BRANDS = {
    b"qt  ": ("MOV video", _STILL),
    **dict.fromkeys(_MP4, ("MP4 video", _STILL)),
    **dict.fromkeys((b"3gp4", b"3gp5", b"3gp6", b"3g2a"), ("3GP video", _STILL)),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), ("HEIC", "Save it as a JPEG.")),
}
_MOVIE_BOXES = {b"moov", b"mdat", b"wide", b"skip", b"pnot"}
_SVG = re.compile(rb"<svg[\s>]|<!doctype svg", re.IGNORECASE)
_HTML = re.compile(rb"<(?:!doctype html|html|head|body)[\s>]", re.IGNORECASE)
_SVG_BYTES = 4096  # comments, entities and a document type may come first
_NETPBM = re.compile(rb"P[1-7f]\s")
_DICOM_AT = 128


def name_format(data: bytes) -> tuple[str, str] | None:
    """The name of a format that is not read, and what to do instead, which may be empty; None if it is unknown."""
    if name := next((name for start, name in _STARTS.items() if data.startswith(start)), None):
        return name, _REMEDIES.get(name, "")
    return _name_photo(data) or _name_film(data) or _name_text(data[:_SVG_BYTES])


def name_readable(data: bytes) -> str | None:
    """The name of a format that is read, by the first bytes of a photo; None if it is none of them."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    return next((name for start, name in _READABLE_STARTS.items() if data.startswith(start)), None)


def is_raw(tiff: bytes) -> bool:
    """Whether a TIFF that is not read is a camera's raw file. Photos that programs made of such files also say so."""
    return tiff[_CANON_AT : _CANON_AT + 3] == _CANON or bool(_RAW_TIFF.search(tiff[:_SVG_BYTES]))


def _name_photo(data: bytes) -> tuple[str, str] | None:
    if data.startswith(_RAW_STARTS) or data[4:12] == b"ftypcrx ":
        return _RAW_NAME, _EXPORT
    return ("DICOM", "") if data[_DICOM_AT : _DICOM_AT + 4] == b"DICM" else None


def _name_film(data: bytes) -> tuple[str, str] | None:
    brand = data[8:12]
    if data[4:8] == b"ftyp":
        return _BRANDS.get(brand)
    if data[:4] == b"RIFF" and brand == b"AVI ":
        return "AVI video", _STILL
    return ("MOV video", _STILL) if data[4:8] in _MOVIE_BOXES else None


def _name_text(start: bytes) -> tuple[str, str] | None:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        start = start[2:].replace(b"\0", b"")  # UTF-16, as far as names need it
    start = start.removeprefix(b"\xef\xbb\xbf")
    if _SVG.search(start):
        return "SVG", ""
    if _HTML.match(_skip_comments(start)):
        return "A web page", "Send the photo itself, not the page that shows it."
    return ("Netpbm", "") if _NETPBM.match(start) else None


def _skip_comments(text: bytes) -> bytes:
    # Not in the pattern, which would try every way to divide a row of comments.
    while (text := text.lstrip()).startswith(b"<!--"):
        text = text.partition(b"-->")[2]
    return text
