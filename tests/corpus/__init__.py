"""Photos as cameras and programs really write them, each with what it must look like or why it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from tests.corpus import bmp_gif_webp, colours, ends, heif, jpeg, png, refused, shapes, tiff, turned
from tests.corpus.sample import Sample

__all__ = ["Sample", "corpus"]


@cache  # several modules of tests take them, and encoding takes two seconds
def corpus() -> Sequence[Sample]:
    """All of them."""
    topics = (jpeg, ends, turned, png, bmp_gif_webp, heif, tiff, colours, shapes, refused)
    return tuple(sample for topic in topics for sample in topic.samples())
