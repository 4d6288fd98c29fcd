"""Photos for the tests: real ones where they lie beside the checkout, drawn ones elsewhere."""

from __future__ import annotations

import atexit
import functools
import io
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "photos"


@functools.cache
def photos_folder() -> Path:
    """A folder with one sub-folder a class."""
    if REAL.is_dir():
        return REAL
    from dandelion.training.sample import create_sample

    folder = Path(tempfile.mkdtemp(prefix="dandelion-photos-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    create_sample(folder, per_class=40, seed=1)
    return folder


def labelled_photos(per_class: int = 10) -> list[tuple[str, bytes]]:
    """Class and bytes of the first photos of each class, the classes in turn."""
    classes = sorted(folder for folder in photos_folder().iterdir() if folder.is_dir())
    files = [sorted(folder.glob("*.jpg"))[:per_class] for folder in classes]
    return [(file.parent.name, file.read_bytes()) for row in zip(*files, strict=True) for file in row]


@functools.cache
def jpeg(width: int = 240, height: int = 180) -> bytes:
    """A photo of noise."""
    pixels = np.random.default_rng(width * height).integers(0, 255, (height // 4, width // 4, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((width, height)).save(stream, "JPEG", quality=90)
    return stream.getvalue()
