"""Photos as cameras and programs really write them, each with what it must look like or why it is refused."""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus import bmp_gif_webp, colours, ends, heif, jpeg, png, refused, shapes, tiff, turned
from tests.corpus.sample import Sample

__all__ = ["Sample", "corpus"]


def corpus() -> Iterator[Sample]:
    """All of them."""
    for topic in (jpeg, ends, turned, png, bmp_gif_webp, heif, tiff, colours, shapes, refused):
        yield from topic.samples()
