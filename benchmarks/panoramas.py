"""A dandelion at an edge of a panorama of grass: how often each treatment finds it, and what it costs.

    python -m benchmarks.panoramas

Panoramas are pasted from the real photos beside the repository: grass, mirrored until it is long enough, and a
dandelion over its whole height or 0.6 of it. Half of them are tall. Without a flower, what is found is a false alarm.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageOps

from benchmarks.photos import REAL
from benchmarks.report import processor
from dandelion.domain import InputSpec
from dandelion.domain.arrays import Floats, Pixels
from dandelion.imaging import prepare
from dandelion.imaging.prepare import view_boxes
from dandelion.inference.engines import create_runtime, leave_algebra_one_thread
from dandelion.package import open_package, softmax
from dandelion.package.panorama import choose_view
from dandelion.package.starter import starter_path
from dandelion.settings import InferenceSettings

SHORT_SIDE = 320
# The flower's height as a share of the panorama's, and its place along it.
SCENES = {"an edge": (1.0, 0.0), "the other": (1.0, 1.0), "the middle": (1.0, 0.5), "small, an edge": (0.6, 0.0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=30, help="panoramas of each scene, both wide and tall")
    parser.add_argument("--ratios", type=float, nargs="+", default=[3, 4, 6])
    options = parser.parse_args()
    flowers, lawns = (sorted((REAL / name).glob("*.jpg"))[: options.photos] for name in ("dandelion", "grass"))
    print(f"{processor()}: dandelion found in % of {2 * len(flowers)} panoramas a scene\n")
    print("| ratio | treatment | " + " | ".join(SCENES) + " | no flower | ms |")
    print("|---|---|" + "---|" * (len(SCENES) + 2))
    treatments = create_treatments()
    for ratio in options.ratios:
        found: dict[str, list[float]] = {name: [] for name in treatments}
        spent = dict.fromkeys(treatments, 0.0)
        for scene in (*SCENES.values(), None):
            photos = [
                photo
                for flower, lawn in zip(flowers, lawns, strict=True)
                for photo in both_ways(Image.open(flower), Image.open(lawn), ratio, scene)
            ]
            for name, treat in treatments.items():
                started = time.process_time()
                found[name].append(float(np.mean([treat(photo) > 0.5 for photo in photos])))
                spent[name] += time.process_time() - started
        for name, shares in found.items():
            cells = " | ".join(f"{100 * share:.0f}" for share in shares)
            cost = 1000 * spent[name] / (2 * len(flowers) * (len(SCENES) + 1))
            print(f"| {ratio:g}:1 | {name} | {cells} | {cost:.0f} |", flush=True)


def both_ways(
    flower: Image.Image, lawn: Image.Image, ratio: float, scene: tuple[float, float] | None
) -> Iterator[bytes]:
    """A wide and a tall panorama, JPEG. Motifs stay upright in both."""
    flower, lawn = flower.convert("RGB"), lawn.convert("RGB")
    for is_tall in (False, True):
        if is_tall:
            flower, lawn = (part.transpose(Image.Transpose.ROTATE_90) for part in (flower, lawn))
        panorama = paste(flower, lawn, ratio, scene)
        if is_tall:
            panorama = panorama.transpose(Image.Transpose.ROTATE_270)
        stream = io.BytesIO()
        panorama.save(stream, "JPEG", quality=92)
        yield stream.getvalue()


def paste(flower: Image.Image, lawn: Image.Image, ratio: float, scene: tuple[float, float] | None) -> Image.Image:
    length = round(ratio * SHORT_SIDE)
    panorama = Image.new("RGB", (length, SHORT_SIDE))
    tile = lawn.resize((round(lawn.width * SHORT_SIDE / lawn.height), SHORT_SIDE), Image.Resampling.BICUBIC)
    for number, left in enumerate(range(0, length, tile.width)):
        panorama.paste(ImageOps.mirror(tile) if number % 2 else tile, (left, 0))
    if scene is not None:
        share, place = scene
        height = round(share * SHORT_SIDE)
        patch = flower.resize((round(flower.width * height / flower.height), height), Image.Resampling.BICUBIC)
        panorama.paste(patch, (round(place * (length - patch.width)), SHORT_SIDE - height))
    return panorama


def create_treatments() -> dict[str, Callable[[bytes], float]]:
    """Treatment to the probability that it gives the dandelion in a photo."""
    leave_algebra_one_thread()
    package = open_package(starter_path())
    manifest, spec = package.manifest, package.manifest.input
    runtime, neighbours = create_runtime(package, InferenceSettings(), 1), package.reference().neighbours
    dandelion = manifest.classes.index("dandelion")

    def probabilities(batch: Pixels) -> Floats:
        return softmax(runtime.run(batch).logits / manifest.temperature)[:, dandelion]

    def chosen(background: int | None, threshold: float = manifest.outlier_threshold) -> Callable[[bytes], float]:
        def choose(views: Pixels) -> int:
            output = runtime.run(views)
            return choose_view(
                output.logits / manifest.temperature,
                output.embedding,
                neighbours,
                background=background,
                outlier_threshold=threshold,
            )

        return lambda photo: float(probabilities(prepare(photo, spec, choose=choose)[None])[0])

    def combined(combine: Callable[[Floats], float]) -> Callable[[bytes], float]:
        return lambda photo: combine(probabilities(cut(photo, spec)))

    return {
        "middle": lambda photo: float(probabilities(prepare(photo, spec)[None])[0]),
        "letterbox": lambda photo: float(probabilities(letterbox(photo, spec)[None])[0]),
        "squashed": lambda photo: float(probabilities(squash(photo, spec)[None])[0]),
        "views, mean": combined(lambda each: float(each.mean())),
        "views, most confident": combined(lambda each: float(each[np.abs(each - 0.5).argmax()])),
        "views, most familiar": chosen(None, -1),
        "views, middle if familiar": chosen(None),
        "views, least background": chosen(manifest.background_index),
    }


def cut(photo: bytes, spec: InputSpec) -> Pixels:
    image = Image.open(io.BytesIO(photo))
    boxes = view_boxes(image.height, image.width, spec)
    size = (spec.width, spec.height)
    return np.stack([np.asarray(image.resize(size, Image.Resampling.BICUBIC, box)) for box in boxes])


def letterbox(photo: bytes, spec: InputSpec) -> Pixels:
    colour = tuple(round(255 * mean) for mean in spec.mean)
    size = (spec.width, spec.height)
    return np.asarray(ImageOps.pad(Image.open(io.BytesIO(photo)), size, Image.Resampling.BICUBIC, colour))


def squash(photo: bytes, spec: InputSpec) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(photo)).resize((spec.width, spec.height), Image.Resampling.BICUBIC))


if __name__ == "__main__":
    main()
