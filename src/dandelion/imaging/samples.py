"""Samples of any depth, with or without transparency, as 8-bit RGB over white."""

from __future__ import annotations

import sys
from typing import Any, cast

import numpy as np
from PIL import Image

from dandelion.imaging.png import Description

# Where `Image.info` holds the `Description` of a PNG or a TIFF.
DESCRIPTION = "dandelion description"
# Where it holds what `load` found: the sample that stands for white, the place of a GIF's frame on its screen, and that
# a picture is opaque whatever its alpha says.
_WHITE, _FRAME, _OPAQUE = "dandelion white", "dandelion frame", "dandelion opaque"
_FULL = 65535
# Cameras measure 10, 12 or 14 bits. What says nothing of its bits and never exceeds these would be black.
_DARK = 4096
_ROWS = 64
# The Pillow names of a sample's other byte. It has none for grey with alpha, whose four bytes it can read as they are.
# The samples of a TIFF come in the machine's own order.
_OTHER = "B" if sys.byteorder == "little" else "L"
_LOWER = {
    "RGB;16B": "RGB;16L",
    "RGBA;16B": "RGBA;16L",
    "LA;16B": "RGBA",
    "RGB;16N": f"RGB;16{_OTHER}",
    "RGBA;16N": f"RGBA;16{_OTHER}",
}
_GREY_WITH_ALPHA = 4

_Box = tuple[int, int, int, int]


def load(image: Image.Image) -> Image.Image:
    """The picture, decoded, so that `flatten` is right for each part of it: what a part cannot know of the whole.

    Samples that fill only the lower of their bits are stretched; a BMP that is nowhere opaque is opaque; a frame of a
    GIF lies on a white screen.
    """
    described: Description | None = image.info.get(DESCRIPTION)
    stream = getattr(image, "fp", None)
    if image.mode == "I;16B":  # of which Pillow can do little; libtiff has samples in the machine's order anyhow
        image._mode = "I;16"
    image.load()
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        image.info[_WHITE] = _find_white(int(image.getextrema()[1]), described)  # type: ignore[arg-type]
    elif described and described.depth == 16:
        image = _even_out(image, stream, described)
    elif described and described.transparent and image.mode in {"1", "L"}:
        # Pillow scales grey to 8 bits, but not the grey that is clear.
        image.info["transparency"] = described.transparent[0] * (255 // ((1 << described.depth) - 1))
    if image.format == "BMP" and image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
        image.info[_OPAQUE] = True
    if image.format == "GIF":
        frame: _Box | None = getattr(image, "dispose_extent", None)
        if frame and frame != (0, 0, *image.size):
            image.info[_FRAME] = frame
    return image


def flatten(image: Image.Image, box: _Box) -> Image.Image:
    """A part of the picture in RGB, or in its inks: 16-bit scaled to 8, transparency over white."""
    frame: _Box | None = image.info.get(_FRAME)
    if frame is None:
        return _flatten(image.crop(box))
    part = Image.new("RGB", (box[2] - box[0], box[3] - box[1]), "white")
    left, top = max(box[0], frame[0]), max(box[1], frame[1])
    right, bottom = min(box[2], frame[2]), min(box[3], frame[3])
    if left < right and top < bottom:
        part.paste(_flatten(image.crop((left, top, right, bottom))), (left - box[0], top - box[1]))
    return part


def _flatten(image: Image.Image) -> Image.Image:
    if _WHITE in image.info:
        # Pillow stores 16-bit grey as 0..65535, and its own convert() would clip that at 255.
        values = np.clip(np.asarray(image), 0, _FULL).astype(np.uint32)
        grey = _scale(values, image.info[_WHITE])
        described: Description | None = image.info.get(DESCRIPTION)
        if described and described.transparent:
            grey[values == described.transparent[0]] = 255
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data and _OPAQUE not in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image if image.mode == "CMYK" else image.convert("RGB")


def _find_white(largest: int, described: Description | None) -> int:
    """The sample that stands for white in 16 bits, of which `largest` is the largest in the picture."""
    declared = described.significant_bits if described else 0
    if 0 < declared < 16 and largest < 1 << declared:
        return (1 << declared) - 1
    if not declared and largest < _DARK:
        return (1 << max(8, largest.bit_length())) - 1
    return _FULL


def _scale(values: Any, white: int) -> Any:
    return (values // 257 if white == _FULL else np.minimum(values * 255 // white, 255)).astype(np.uint8)


def _even_out(image: Image.Image, stream: Any, described: Description) -> Image.Image:
    """The picture by both bytes of its samples where they count, of which Pillow reads the upper one.

    They count where the upper bytes are nearly nothing, and where a colour is clear.
    """
    upper = max(int(largest) for _, largest in image.getextrema()[:3])  # type: ignore[misc]
    white = _find_white((upper << 8) + 255, described)
    if white == _FULL and not described.transparent:
        return image
    stream.seek(0)
    lower: Any = Image.open(stream, formats=["PNG", "TIFF"])
    lower.tile = [tile._replace(args=_read_lower(tile.args)) for tile in lower.tile]
    has_both = described.colours == _GREY_WITH_ALPHA
    if has_both or not upper:
        lower.im = image.im  # whose bytes are no longer needed, and decoded over: a large photo is held once
    lower.load()
    lower.info.pop("transparency", None)
    for top in range(0, image.height, _ROWS):
        box = (0, top, image.width, min(top + _ROWS, image.height))
        low = np.asarray(lower.crop(box)).astype(np.uint32)
        if has_both:
            low = low[..., [1, 1, 1, 3]] + (low[..., [0, 0, 0, 2]] << 8)
        elif upper:
            low += np.asarray(image.crop(box)).astype(np.uint32) << 8
        scaled = _scale(low, white)
        if described.transparent:
            scaled[(low == described.transparent).all(axis=-1)] = 255
        lower.paste(Image.fromarray(scaled), box)
    return cast("Image.Image", lower)


def _read_lower(args: Any) -> Any:
    """A decoder's arguments to read the other byte of each sample."""
    return (_LOWER[args[0]], *args[1:]) if isinstance(args, tuple) else _LOWER[args]
