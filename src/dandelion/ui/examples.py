"""Example photos: from a folder, or drawn by this program."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dandelion.errors import SettingsError
from dandelion.training.sample import create_photo

MAX_EXAMPLES = 12
SIDE = 320
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
# Class and seed of the drawn photos, chosen by eye.
_DRAWN = (("dandelion", 1), ("grass", 4), ("dandelion", 12), ("grass", 1), ("dandelion", 5))


def find_examples(named: Path | None, folder: Path) -> list[Path]:
    """Fill `folder` with copies of the photos in `named`, or with drawn photos; return their paths.

    Raises:
        SettingsError: `named` is not a folder, or holds no photo.
    """
    if named is None:
        return _draw(folder)
    found = sorted(path for path in named.glob("*") if path.suffix.lower() in SUFFIXES) if named.is_dir() else []
    if not found:
        raise SettingsError(f"DANDELION_UI__EXAMPLES: {named} holds no photo.", "Name a folder of JPEG, PNG or WebP.")
    # Copies, since Gradio shows files only from certain folders.
    return [Path(shutil.copy(path, folder)) for path in found[:MAX_EXAMPLES]]


def _draw(folder: Path) -> list[Path]:
    drawn = [(label, create_photo(label, SIDE, np.random.default_rng(seed))) for label, seed in _DRAWN]
    paths = []
    for number, (label, picture) in enumerate([*drawn, ("cat", _draw_cat())], 1):
        paths.append(folder / f"{number}-{label}.jpg")
        picture.save(paths[-1], "JPEG", quality=88)
    return paths


def _draw_cat() -> Image.Image:
    """Draw a photo of neither class, which the model should find unfamiliar."""
    picture = Image.new("RGB", (SIDE, SIDE), (235, 220, 200))
    draw = ImageDraw.Draw(picture)
    fur, eye, nose = (90, 90, 95), (230, 220, 80), (230, 130, 140)
    draw.ellipse((60, 60, 260, 260), fill=fur)
    for side in (-1, 1):
        middle = SIDE // 2
        draw.polygon([(middle + side * x, y) for x, y in ((90, 110), (70, 20), (10, 70))], fill=fur)
        box = sorted((middle + side * 15, middle + side * 50))
        draw.ellipse((box[0], 120, box[1], 160), fill=eye)
        pupil = middle + side * 32
        draw.ellipse((pupil - 5, 124, pupil + 5, 157), fill="black")
        for whisker in (-1, 0, 1):
            start, end = (middle + side * 100, 190 + whisker * 15), (middle + side * 20, 185 + whisker * 8)
            draw.line((start, end), fill="white", width=2)
    draw.polygon([(150, 180), (170, 180), (160, 195)], fill=nose)
    return picture
