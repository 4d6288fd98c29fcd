"""Pictures that no photo of a plant looks like, and ways to spoil photos; the same seed makes the same."""

from __future__ import annotations

import io
import string
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

Generator = np.random.Generator

SIDE = 240


def encode(picture: Image.Image) -> bytes:
    """As JPEG."""
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, "JPEG", quality=90)
    return stream.getvalue()


def blanks(count: int, seed: int = 0) -> Iterator[Image.Image]:
    """One colour, or from one to another, with a camera's noise."""
    for number in range(count):
        rng = np.random.default_rng([seed, 1, number])
        first, second = rng.uniform(0, 255, (2, 3))
        slope = np.linspace(0, rng.choice([0.0, 1.0]), SIDE)[:, np.newaxis, np.newaxis]
        plain = first + (second - first) * slope + np.zeros((SIDE, SIDE, 3))
        yield _picture(plain + rng.normal(0, rng.uniform(0, 4), plain.shape))


def textures(count: int, seed: int = 0) -> Iterator[Image.Image]:
    """Noise of many scales, stripes, checks, cells and marble, in any two colours."""
    makers: list[Callable[[Generator], npt.NDArray[np.float64]]] = [_clouds, _stripes, _checks, _cells, _marble, _white]
    for number in range(count):
        rng = np.random.default_rng([seed, 2, number])
        strength = makers[number % len(makers)](rng)[:, :, np.newaxis]
        first, second = rng.uniform(0, 255, (2, 3))
        yield _picture(first * strength + second * (1 - strength))


def drawings(count: int, seed: int = 0) -> Iterator[Image.Image]:
    """Shapes, charts, faces and lines of text, on paper or on a screen."""
    makers = [_draw_shapes, _draw_chart, _draw_face, _draw_text]
    for number in range(count):
        rng = np.random.default_rng([seed, 3, number])
        paper = tuple(
            int(value) for value in (rng.uniform(225, 255, 3) if rng.random() < 0.7 else rng.uniform(0, 60, 3))
        )
        picture = Image.new("RGB", (SIDE * 2, SIDE * 2), paper)
        makers[number % len(makers)](picture, rng)
        yield picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def unrelated(count: int, seed: int = 0) -> Iterator[Image.Image]:
    """Cuts of photos of other subjects that installed packages bring: a cat, a face, coffee, a rocket, a temple."""
    sources = [Image.open(path).convert("RGB") for path in _photos_of_packages()]
    for number in range(count):
        rng = np.random.default_rng([seed, 4, number])
        photo = sources[number % len(sources)]
        share = rng.uniform(0.6, 1.0)
        width, height = (int(side * share) for side in photo.size)
        left, top = int(rng.integers(0, photo.width - width + 1)), int(rng.integers(0, photo.height - height + 1))
        cut = photo.crop((left, top, left + width, top + height))
        cut.thumbnail((SIDE * 2, SIDE * 2))
        yield cut


STRANGE: dict[str, Callable[[int, int], Iterator[Image.Image]]] = {
    "blank": blanks,
    "textures": textures,
    "drawings": drawings,
    "unrelated": unrelated,
}


def blur(photo: Image.Image, rng: Generator) -> Image.Image:
    """Out of focus: a radius of about 1 % of the short side."""
    return photo.filter(ImageFilter.GaussianBlur(min(photo.size) * rng.uniform(0.009, 0.013)))


def noise(photo: Image.Image, rng: Generator) -> Image.Image:
    """A sensor in the dark: standard deviation of about 20 of 255."""
    pixels = np.asarray(photo, dtype=np.float64)
    return _picture(pixels + rng.normal(0, rng.uniform(17, 23), pixels.shape))


def darken(photo: Image.Image, rng: Generator) -> Image.Image:
    """Evening: about 55 % of the light."""
    return ImageEnhance.Brightness(photo).enhance(rng.uniform(0.5, 0.6))


def shift_colour(photo: Image.Image, rng: Generator) -> Image.Image:
    """Another season or white balance: red up, blue and green down by about 15 %."""
    return _picture(
        np.asarray(photo, dtype=np.float64) * (rng.uniform(1.12, 1.2), rng.uniform(0.88, 0.94), rng.uniform(0.7, 0.8))
    )


SPOILT: dict[str, Callable[[Image.Image, Generator], Image.Image]] = {
    "blur": blur,
    "noise": noise,
    "darkening": darken,
    "colour shift": shift_colour,
}


def _picture(values: npt.NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _clouds(rng: Generator) -> npt.NDArray[np.float64]:
    total = np.zeros((SIDE, SIDE))
    for octave in range(int(rng.integers(1, 4)), 7):
        grid = rng.uniform(0, 1, (2**octave, 2**octave))
        layer = Image.fromarray((grid * 255).astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        total += np.asarray(layer) / 255 / 2 ** (octave * rng.uniform(0.5, 1))
    spread: npt.NDArray[np.float64] = (total - total.min()) / np.ptp(total)
    return spread


def _waves(rng: Generator) -> npt.NDArray[np.float64]:
    angle, length = rng.uniform(0, np.pi), rng.uniform(5, 60)
    rows, columns = np.indices((SIDE, SIDE))
    waves: npt.NDArray[np.float64] = (rows * np.cos(angle) + columns * np.sin(angle)) * 2 * np.pi / length
    return waves


def _stripes(rng: Generator) -> npt.NDArray[np.float64]:
    wave = np.sin(_waves(rng))
    stripes: npt.NDArray[np.float64] = np.round(wave / 2 + 0.5) if rng.random() < 0.5 else wave / 2 + 0.5
    return stripes


def _checks(rng: Generator) -> npt.NDArray[np.float64]:
    rows, columns = np.indices((SIDE, SIDE)) // int(rng.integers(5, 50))
    return ((rows + columns) % 2).astype(np.float64)


def _cells(rng: Generator) -> npt.NDArray[np.float64]:
    centres = rng.uniform(0, SIDE, (int(rng.integers(10, 60)), 2))
    places = np.moveaxis(np.indices((SIDE, SIDE)), 0, -1).reshape(-1, 1, 2)
    nearest = np.sqrt(np.square(places - centres).sum(axis=2)).min(axis=1).reshape(SIDE, SIDE)
    cells: npt.NDArray[np.float64] = nearest / nearest.max()
    return cells


def _marble(rng: Generator) -> npt.NDArray[np.float64]:
    return np.sin(_waves(rng) + 6 * _clouds(rng)) / 2 + 0.5


def _white(rng: Generator) -> npt.NDArray[np.float64]:
    return rng.uniform(0, 1, (SIDE, SIDE))


def _colour(rng: Generator) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return red, green, blue


def _draw_shapes(picture: Image.Image, rng: Generator) -> None:
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(3, 12))):
        left, top = rng.uniform(0, SIDE * 1.6, 2)
        box = [left, top, left + rng.uniform(20, 220), top + rng.uniform(20, 220)]
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(box, fill=_colour(rng), outline=(0, 0, 0), width=3)


def _draw_chart(picture: Image.Image, rng: Generator) -> None:
    draw = ImageDraw.Draw(picture)
    draw.line([(40, 20), (40, 440), (460, 440)], fill=(90, 90, 90), width=4)
    bars = int(rng.integers(4, 12))
    for bar in range(bars):
        left = 60 + bar * 400 / bars
        draw.rectangle([left, 440 - rng.uniform(30, 400), left + 280 / bars, 438], fill=_colour(rng))


def _draw_face(picture: Image.Image, rng: Generator) -> None:
    draw = ImageDraw.Draw(picture)
    ink, width = _colour(rng), int(rng.integers(4, 12))
    draw.ellipse([60, 60, 420, 420], outline=ink, width=width)
    for x in (170, 310):
        size = rng.uniform(12, 40)
        draw.ellipse([x - size, 190 - size, x + size, 190 + size], outline=ink, width=width)
    draw.arc([150, 200, 330, 360], rng.uniform(0, 30), rng.uniform(150, 180), fill=ink, width=width)


def _draw_text(picture: Image.Image, rng: Generator) -> None:
    draw, ink, size = ImageDraw.Draw(picture), _colour(rng), float(rng.uniform(16, 48))
    letters = np.array(list(string.ascii_letters + "     "))
    for top in np.arange(20, SIDE * 2 - 20, size * 1.4):
        draw.text((20, top), "".join(rng.choice(letters, 40)), fill=ink, font=ImageFont.load_default(size))


def _photos_of_packages() -> list[Path]:
    import matplotlib as mpl
    import skimage
    import sklearn

    science = Path(skimage.__file__).parent / "data"
    return [
        *(
            science / name
            for name in ("chelsea.png", "astronaut.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")
        ),
        *(
            science / name
            for name in ("brick.png", "coins.png", "camera.png", "hubble_deep_field.jpg", "retina.jpg", "ihc.png")
        ),
        Path(sklearn.__file__).parent / "datasets" / "images" / "china.jpg",
        Path(mpl.__file__).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg",
    ]
