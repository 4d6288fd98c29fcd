"""A file of the corpus, the picture that it shows, and parts that files are made of."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pillow_heif  # writes HEIC, which the reader that we use cannot
from PIL import Image, ImageCms, ImageDraw

from dandelion.domain.arrays import Pixels
from dandelion.errors import PhotoError

WIDTH, HEIGHT = 160, 120
MARGIN = 8.0  # by which formats that lose details may differ, of 255, on average

Turn = Callable[[Image.Image], Image.Image]
# How a picture is stored so that this EXIF orientation turns it upright.
UNDO: dict[int, Turn] = {
    2: lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda i: i.transpose(Image.Transpose.ROTATE_180),
    4: lambda i: i.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda i: i.transpose(Image.Transpose.TRANSPOSE),
    6: lambda i: i.transpose(Image.Transpose.ROTATE_90),
    7: lambda i: i.transpose(Image.Transpose.TRANSVERSE),
    8: lambda i: i.transpose(Image.Transpose.ROTATE_270),
}


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
        # The quickest encoder of AVIF; others look at the picture for longer, and nobody looks at what they find.
        image.save(stream, kind, **({"speed": 10, **options} if kind == "AVIF" else options))
    return stream.getvalue()


def jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    return encode(image or plain(), "JPEG", **{"quality": 95, **options})


def chunk(kind: bytes, body: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def box(kind: bytes, body: bytes) -> bytes:
    """Of an AVIF or HEIC."""
    return struct.pack(">I", len(body) + 8) + kind + body


def exif(turned: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = turned
    return tags.tobytes()


def in_png(added: bytes, image: Image.Image | None = None) -> bytes:
    """A PNG with chunks before its picture."""
    data = encode(image or plain(), "PNG")
    return data[:33] + added + data[33:]


def over_white(image: Image.Image) -> Pixels:
    rgba = image.convert("RGBA")
    return pixels(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba))


def with_hole() -> Image.Image:
    image = plain().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 80, 60))
    return image


def xmp(turned: int, *, as_element: bool = False) -> bytes:
    said = f"<tiff:Orientation>{turned}</tiff:Orientation>" if as_element else ""
    attribute = "" if as_element else f' tiff:Orientation="{turned}"'
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/"{attribute}>{said}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def in_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """The picture with the colours that its profile needs to look the same."""
    to = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    found = ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), to, outputMode="RGB")
    assert found is not None
    return found
