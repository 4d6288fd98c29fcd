"""What is sent: a thumbnail, and the same motif as a camera would have stored it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "photos"
PHOTOS = ("thumbnail", "1 megapixel", "12 megapixels")


def make_photos(folder: Path) -> dict[str, Path]:
    """A thumbnail as it is, and the same motif as a camera would have stored it at 1 and 12 megapixels."""
    if REAL.is_dir():
        thumbnail = REAL / "dandelion" / "00000001.jpg"
    else:
        from dandelion.training.sample import create_sample

        thumbnail = create_sample(folder / "drawn", per_class=1, size=240)[0]
    found = {"thumbnail": thumbnail}
    grain = np.random.default_rng(0)
    for name, size in (("1 megapixel", (1152, 864)), ("12 megapixels", (4000, 3000))):
        large = np.asarray(Image.open(thumbnail).convert("RGB").resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
        noisy = np.clip(large + grain.integers(-6, 7, large.shape), 0, 255).astype(np.uint8)
        found[name] = folder / f"{size[0]}.jpg"
        Image.fromarray(noisy).save(found[name], "JPEG", quality=88)
    return found
