"""A soak: after any number of photos of every kind and size, the API holds no more memory than before.

`tox -e soak` sends 200,000 photos. A shortened run leaves out large ones, and the starter's network, which takes most
of the time. It sends more of the others, and finds a leak of 10 kB a photo.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from dandelion.package.starter import starter_path
from tests.corpus import corpus
from tests.faults.conftest import SOAK
from tests.packages import make_linear_package
from tests.photos import labelled_photos
from tests.servers.api import ApiProcess

# How often how many photos are sent, and how many rounds warm the process up: those are not measured. Small photos fill
# what is cached within 1,000, large ones the arenas of threads within 20,000.
ROUNDS, PHOTOS, WARM_UP = (500, 400, 250) if SOAK else (26, 200, 6)
AT_ONCE = 4
MIB = 2**20
# Growth over the measured rounds that proves no leak. Of a shortened run it is that of a leak of 5 kB a photo: single
# steps of 10 MiB come without one.
UNSEEN_BYTES = 2 * MIB if SOAK else 20 * MIB
# A measurement with more noise could hide a leak.
MAX_NOISE_BYTES = 48 * MIB if SOAK else 20 * MIB

Send = Callable[[httpx.Client, bytes], httpx.Response]
WAYS: list[Send] = [
    lambda client, photo: client.post("/predict", content=photo, headers={"Content-Type": "image/jpeg"}),
    lambda client, photo: client.post("/predict", files=[("file", ("photo", photo))] * 2),
    lambda client, photo: client.post("/predict", json={"image": base64.b64encode(photo).decode()}),
    lambda client, photo: client.post("/explain", content=photo, headers={"Content-Type": "image/jpeg"}),
]
SHARES = [0.4, 0.3, 0.2, 0.1]


def large_photos() -> Iterator[bytes]:
    """The largest of some formats, again and again: 64 megapixels, and 32 where that is the limit."""

    @cache
    def encode(form: str, kind: str, **options: object) -> bytes:
        tile = np.random.default_rng(0).integers(60, 90, (500, 500, 3), dtype=np.uint8)
        square = Image.fromarray(np.tile(tile, (16, 16, 1)))
        image = {
            "colour": lambda: square,
            "grey": lambda: Image.fromarray(np.tile(tile[..., 0], (16, 16))),
            "16 bits": lambda: Image.fromarray(np.tile(tile[..., 0], (16, 16)).astype(np.uint16)),
            "half": lambda: square.crop((0, 0, 8000, 4000)),
        }[form]()
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        return stream.getvalue()

    while True:
        yield encode("colour", "JPEG", quality=60)
        yield encode("grey", "PNG", compress_level=1)
        yield encode("half", "TIFF", compression="tiff_adobe_deflate")
        yield encode("16 bits", "PNG", compress_level=1)
        yield encode("colour", "JPEG", quality=60, progressive=True)
        yield encode("half", "WEBP", quality=10, method=0)


def measure(api: ApiProcess, rounds: int) -> Iterator[int]:
    """What the process holds in memory after each round of the same photos in another order, bytes."""
    order = np.random.default_rng(0)
    small = [sample.data for sample in corpus()] + [photo for _, photo in labelled_photos(40)]
    small += [photo[: len(photo) // 2] for _, photo in labelled_photos(4)]
    large = large_photos()
    with httpx.Client(base_url=api.url, timeout=120) as client, ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in range(rounds):
            ways, chosen = order.choice(len(WAYS), PHOTOS, p=SHARES), order.integers(len(small), size=PHOTOS)
            photos = [(WAYS[way], small[photo]) for way, photo in zip(ways, chosen, strict=True)]
            if SOAK:
                photos[PHOTOS // 2] = (WAYS[0], next(large))
            answers = list(threads.map(lambda each: each[0](client, each[1]).status_code, photos))
            assert set(answers) <= {200, 400, 415}, set(answers)
            yield api.memory_bytes()


def fit_line(values: list[int]) -> tuple[float, float]:
    """The slope of a line through values, by least squares, and its standard error.

    What a round leaves behind stays for some rounds, so neighbours are alike and say less than independent values: by
    their correlation r, n of them count as n (1 - r) / (1 + r).
    """
    across = np.arange(len(values)) - (len(values) - 1) / 2
    slope = float(across @ values / (across @ across))
    left = np.asarray(values) - np.mean(values) - slope * across
    if not left.any():
        return slope, 0.0
    alike = min(max(float(left[1:] @ left[:-1] / (left @ left)), 0.0), 0.95)
    error = math.sqrt(float(left @ left) / (len(values) - 2) / float(across @ across))
    return slope, error * math.sqrt((1 + alike) / (1 - alike))


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiProcess]:
    model = starter_path() if SOAK else make_linear_package(tmp_path / "linear")
    process = ApiProcess(tmp_path / "home", {"DANDELION_MODEL__PATH": str(model)})
    process.start()
    yield process
    process.end()


def test_memory_does_not_grow_with_photos(api: ApiProcess) -> None:
    held = list(measure(api, ROUNDS))
    measured = held[WARM_UP:]
    slope, error = fit_line(measured)
    growth, noise = slope * len(measured), 3 * error * len(measured)
    print(
        f"\n{ROUNDS * PHOTOS:,} photos: {held[0] / MIB:.0f} MiB after the first round, {held[-1] / MIB:.0f} after the "
        f"last; over {len(measured) * PHOTOS:,} of them {growth / MIB:+.1f} MiB, noise {noise / MIB:.1f}"
    )
    assert noise < MAX_NOISE_BYTES
    assert growth < max(noise, UNSEEN_BYTES)
