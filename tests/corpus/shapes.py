"""Panoramas, slivers, and photos of one pixel."""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus.sample import Sample, encode, pixels, plain


def samples() -> Iterator[Sample]:
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
