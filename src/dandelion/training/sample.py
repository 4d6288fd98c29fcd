"""Create a small set of synthetic photos, for tests and for a first try without network."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from dandelion.errors import DataError

CLASSES = ("dandelion", "grass")

_OVERSAMPLING = 2

Generator = np.random.Generator


def create_sample(
    folder: Path,
    *,
    per_class: int = 40,
    size: int = 192,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Create JPEG photos of lawns with and without dandelions, and return their paths; a seed gives the same photos.

    Light, blades, blur and noise vary alike in both classes, so that only flowers and seed heads distinguish them.
    `folder` gets one sub-folder for each class, `size` is the mean side in pixels, and `progress` is called with the
    number of photos done and the number of all photos.

    Raises:
        DataError: The folder cannot be written, or a number is too small.
    """
    if per_class < 1 or size < 32:
        raise DataError(f"per_class is {per_class} and size {size}.", "Create 1 photo or more, of 32 pixels or more.")
    paths = []
    try:
        for label in CLASSES:
            (folder / label).mkdir(parents=True, exist_ok=True)
            for number in range(per_class):
                rng = np.random.default_rng([seed, CLASSES.index(label), number])
                path = folder / label / f"drawn-{seed}-{number:04d}.jpg"
                create_photo(label, size, rng).save(path, "JPEG", quality=int(rng.integers(70, 95)))
                paths.append(path)
                progress(len(paths), per_class * len(CLASSES))
    except OSError as error:
        raise DataError(f"{folder} cannot be written ({error.strerror}).", "Choose another folder.") from error
    return paths


def create_photo(label: str, size: int, rng: Generator) -> Image.Image:
    """Create one synthetic photo of a class, RGB, with sides between 0.8 and 1.2 times `size`."""
    width, height = (int(size * rng.uniform(0.8, 1.2)) for _ in range(2))
    canvas = Image.new("RGB", (width * _OVERSAMPLING, height * _OVERSAMPLING), _soil(rng))
    _draw_blades(canvas, rng, int(rng.integers(250, 600)))
    if label == CLASSES[0]:
        for _ in range(int(rng.integers(1, 5))):
            place = rng.uniform(0.15, 0.85) * canvas.width, rng.uniform(0.15, 0.85) * canvas.height
            radius = rng.uniform(0.09, 0.24) * min(canvas.size)
            draw = _draw_flower if rng.random() < 0.7 else _draw_seed_head
            draw(canvas, rng, place, radius)
        _draw_blades(canvas, rng, int(rng.integers(0, 25)))  # some stand before the flowers
    photo = canvas.resize((width, height), Image.Resampling.LANCZOS)
    return _photograph(photo, rng)


def _soil(rng: Generator) -> tuple[int, int, int]:
    shade = rng.integers(25, 80)
    return int(shade), int(shade * rng.uniform(0.9, 1.4)), int(shade * 0.5)


def _draw_blades(canvas: Image.Image, rng: Generator, count: int) -> None:
    draw = ImageDraw.Draw(canvas)
    # Dry lawns have yellow blades, so that colour alone does not reveal a flower.
    dryness = rng.uniform(0, 0.5)
    for _ in range(count):
        x, y = rng.uniform(0, canvas.width), rng.uniform(0, canvas.height * 1.2)
        length, lean = rng.uniform(0.1, 0.35) * canvas.height, rng.normal(0, 0.35)
        bend = lean + rng.normal(0, 0.3)
        light = rng.uniform(0.5, 1.2)
        red = 200 if rng.random() < dryness else 70
        colour = (int(red * light * 0.9), int(165 * light), int(55 * light))
        middle = (x + lean * length / 2, y - length / 2)
        tip = (middle[0] + bend * length / 2, y - length)
        draw.line([(x, y), middle, tip], fill=colour, width=int(rng.integers(2, 7)), joint="curve")


def _draw_flower(canvas: Image.Image, rng: Generator, place: tuple[float, float], radius: float) -> None:
    draw = ImageDraw.Draw(canvas)
    x, y = place
    for ring in np.linspace(1.0, 0.15, 6):
        for angle in np.arange(0, 2 * math.pi, 2 * math.pi / 26) + rng.uniform(0, 1):
            reach = radius * ring * rng.uniform(0.85, 1.1)
            end = (x + reach * math.cos(angle), y + reach * math.sin(angle))
            warm = rng.uniform(0.82, 1.0)
            colour = (int(255 * warm), int((225 - 60 * (1 - ring)) * warm), int(rng.integers(0, 50)))
            draw.line([(x, y), end], fill=colour, width=max(2, int(radius * 0.09)))


def _draw_seed_head(canvas: Image.Image, rng: Generator, place: tuple[float, float], radius: float) -> None:
    draw = ImageDraw.Draw(canvas, "RGBA")
    x, y = place
    for _ in range(170):
        angle, reach = rng.uniform(0, 2 * math.pi), radius * math.sqrt(rng.uniform(0.15, 1))
        end = (x + reach * math.cos(angle), y + reach * math.sin(angle))
        grey = int(rng.integers(205, 255))
        draw.line([(x, y), end], fill=(grey, grey, grey, 110), width=2)
        dot = radius * 0.045
        draw.ellipse([end[0] - dot, end[1] - dot, end[0] + dot, end[1] + dot], fill=(grey, grey, grey, 190))
    core = radius * 0.14
    draw.ellipse([x - core, y - core, x + core, y + core], fill=(120, 105, 70, 255))


def _photograph(photo: Image.Image, rng: Generator) -> Image.Image:
    """Make the drawing look like a photo: blur, light, colour cast and noise."""
    blurred = photo.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.4))))
    pixels = np.asarray(blurred).astype(np.float32)
    cast = rng.uniform(0.88, 1.12, 3)
    slope = np.linspace(rng.uniform(0.75, 1), rng.uniform(0.75, 1), photo.width)[np.newaxis, :, np.newaxis]
    lit = pixels * cast * slope * rng.uniform(0.65, 1.3)
    noisy: npt.NDArray[np.floating] = lit + rng.normal(0, rng.uniform(1, 9), pixels.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
