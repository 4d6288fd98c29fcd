"""The picture that shows where a model found evidence."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from dandelion.imaging.heatmap import render_heatmap
from dandelion.imaging.prepare import Box

WHOLE = (0.0, 0.0, 1.0, 1.0)


def drawn(height: int, width: int, seen: Box = WHOLE) -> Image.Image:
    """Over a grey photo, with evidence in the upper left quarter of what was seen."""
    photo = np.full((height, width, 3), 128, dtype=np.uint8)
    activation = np.zeros((8, 8), dtype=np.float32)
    activation[:4, :4] = 1
    png = render_heatmap(photo, activation, seen, strength=0.6, max_side=640)
    return Image.open(io.BytesIO(png))


@pytest.mark.parametrize(("height", "width"), [(400, 400), (1600, 1600)])
def test_the_photo_is_tinted_where_the_evidence_is(height: int, width: int) -> None:
    picture = drawn(height, width)
    side = min(640, width)
    assert picture.size == (side, side)
    assert picture.getpixel((side * 3 // 4, side * 3 // 4)) == (128, 128, 128)
    red, green, blue = picture.getpixel((side // 8, side // 8))  # type: ignore[misc]
    assert abs(np.array([red, green, blue]) - (195, 200, 71)).max() <= 2  # 0.6 of pale yellow


@pytest.mark.parametrize(("height", "width"), [(20, 30_000), (30_000, 20), (1, 3000)])
@pytest.mark.parametrize("seen", [WHOLE, (0.4999, 0.4999, 0.5, 0.5), (0.9999, 0.9999, 1.0, 1.0)])
def test_a_long_strip_is_drawn(height: int, width: int, seen: Box) -> None:
    assert max(drawn(height, width, seen).size) == 640


def test_only_what_the_model_saw_of_a_panorama_is_tinted() -> None:
    picture = np.asarray(drawn(160, 640, (0.75, 0.0, 1.0, 1.0)))
    assert (picture[:, :480] == 128).all()
    assert (picture[:60, 480:540] != 128).any(axis=2).all()
    assert (picture[120:, 600:] == 128).all()


def test_a_large_photo_costs_little_more_than_itself() -> None:
    drawn(8, 8)
    tracemalloc.start()
    try:
        drawn(2000, 4000)
        assert tracemalloc.get_traced_memory()[1] < 24_000_000 + 32_000_000
    finally:
        tracemalloc.stop()
