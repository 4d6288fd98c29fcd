"""How well monitoring sees: outliers against pictures of other things, drift against spoilt photos, and what it costs.

    python -m benchmarks.monitoring --trials 200

Outliers: the starter on photos that it never saw against pictures that tests/pictures.py makes. Drift: in each trial
half of the photos, drawn anew, stand for training; the other half make the traffic, clean and then spoilt. The two
servers whose throughput is compared take turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.metrics import roc_auc_score
from tests.photos import photos_folder
from tests.pictures import SPOILT, STRANGE, encode

from benchmarks.loads import load
from benchmarks.photos import PHOTOS, make_photos
from benchmarks.servers import Server, free_port, running
from dandelion.domain import Split
from dandelion.domain.arrays import Floats
from dandelion.imaging import prepare
from dandelion.imaging.statistics import NAMES, SIZE, measure_pixels, measure_size
from dandelion.inference.openvino_runtime import OpenVinoRuntime
from dandelion.monitoring.drift import compare
from dandelion.monitoring.sketch import CLASSES, Expected, Sketch
from dandelion.package import ModelPackage, open_package, softmax
from dandelion.package.reference import Reference
from dandelion.package.starter import starter_path
from dandelion.training.photos import scan_photos
from dandelion.training.reference import find_reference
from dandelion.training.splits import assign_splits

WINDOW = 500
STRANGE_OF_A_KIND = 100


@dataclass(frozen=True)
class Photos:
    """Photos as monitoring sees them.

    Attributes:
        looks: Statistic to a value a photo.
        embeddings: float32 [N, D].
        probabilities: float32 [N, K].
    """

    looks: dict[str, Floats]
    embeddings: Floats
    probabilities: Floats

    def of(self, chosen: npt.NDArray[np.int64]) -> Photos:
        looks = {name: values[chosen] for name, values in self.looks.items()}
        return Photos(looks, self.embeddings[chosen], self.probabilities[chosen])

    def sketch(self, reference: Reference) -> Sketch:
        values: dict[str, Any] = {
            **self.looks,
            "confidence": self.probabilities.max(axis=1),
            CLASSES: self.probabilities.argmax(axis=1),
        }
        return Sketch.of(Expected.of(reference), values, reference.directions.coordinates(self.embeddings))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5, help="length of each load")
    parser.add_argument("--rounds", type=int, default=3, help="turns of the two servers; 0 leaves the cost out")
    options = parser.parse_args()
    package = open_package(starter_path())
    for precision in package.manifest.precisions:
        outliers(package, OpenVinoRuntime(package, precision, 1))
    drift(package, options.trials)
    if options.rounds:
        with tempfile.TemporaryDirectory() as name:
            cost(Path(name), options.seconds, options.rounds)


def outliers(package: ModelPackage, runtime: OpenVinoRuntime) -> None:
    """AUROC of each kind of strange picture against unseen photos, and the two rates at the package's threshold."""
    threshold = package.manifest.outlier_threshold
    scores = package.reference().neighbours.scores
    unseen = [each.path for each in assign_splits(scan_photos(photos_folder())) if each.split is Split.TEST]
    known = scores(see([path.read_bytes() for path in unseen], package, runtime).embeddings)
    strange = {
        kind: scores(see([encode(each) for each in make(STRANGE_OF_A_KIND, 1)], package, runtime).embeddings)
        for kind, make in STRANGE.items()
    }
    for kind, found in {**strange, "all": np.concatenate(list(strange.values()))}.items():
        true_label = np.r_[np.zeros(len(known)), np.ones(len(found))]
        area = roc_auc_score(true_label, np.r_[known, found])
        print(f"outliers, {runtime.precision}, {kind}: AUROC {area:.3f}, {(found > threshold).mean():.0%} seen")
    false = (known > threshold).sum()
    share = f"{false} of {len(known)} unseen photos ({false / len(known):.1%})"
    print(f"outliers, {runtime.precision}: {share} taken for strange")


def drift(package: ModelPackage, trials: int) -> None:
    runtime = OpenVinoRuntime(package, "auto", 1)
    files = sorted(photos_folder().rglob("*.jpg"))
    targets = np.array([package.manifest.classes.index(file.parent.name) for file in files])
    clean = see([file.read_bytes() for file in files], package, runtime)
    spoilt = {}
    for kind, spoil in SPOILT.items():
        rng = np.random.default_rng(0)
        pictures = [spoil(Image.open(file).convert("RGB"), rng) for file in files]
        spoilt[kind] = see([encode(each) for each in pictures], package, runtime)
        spoilt[kind].looks[SIZE][:] = clean.looks[SIZE]
    spoilt["four of five of one class"] = clean
    seen, alarms, alarmed = dict.fromkeys(spoilt, 0), 0, set()
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        order = rng.permutation(len(files))
        trained, rest = order[: len(files) // 2], order[len(files) // 2 :]
        past = clean.of(trained)
        reference = find_reference(past.embeddings, targets[trained], past.looks, past.probabilities)
        figures = compare(clean.of(rng.choice(rest, WINDOW)).sketch(reference))
        alarms += any(each.score >= 1 for each in figures)
        alarmed |= {each.feature for each in figures if each.score >= 1}
        for kind, photos in spoilt.items():
            chances = np.ones(len(rest))
            if photos is clean:
                is_one = targets[rest] == trial % len(package.manifest.classes)
                chances = np.where(is_one, 0.8 / is_one.sum(), 0.2 / (~is_one).sum())
            window = rng.choice(rest, WINDOW, p=chances / chances.sum())
            seen[kind] += compare(photos.of(window).sketch(reference))[0].score >= 1
    for kind, count in seen.items():
        print(f"drift, {kind}: seen within {WINDOW} photos in {count / trials:.1%} of {trials} trials")
    print(f"drift, clean traffic: {alarms / trials:.1%} of {trials} windows raise an alarm {sorted(alarmed)}")


def see(photos: list[bytes], package: ModelPackage, runtime: OpenVinoRuntime) -> Photos:
    pixels = np.stack([prepare(photo, package.manifest.input) for photo in photos])
    outputs = [runtime.run(pixels[start : start + 8]) for start in range(0, len(pixels), 8)]
    measured = measure_pixels(pixels)
    looks = {name: measured[:, column] for column, name in enumerate(NAMES)}
    looks[SIZE] = np.array([measure_size(photo) for photo in photos], dtype=np.float32)
    logits = np.concatenate([each.logits for each in outputs])
    probabilities = softmax((logits / package.manifest.temperature).astype(np.float32))
    return Photos(looks, np.concatenate([each.embedding for each in outputs]), probabilities)


def cost(folder: Path, seconds: float, rounds: int) -> None:
    photo = make_photos(folder)[PHOTOS[0]]
    rates: dict[str, list[float]] = {"true": [], "false": []}
    for _ in range(rounds):
        for enabled, measured in rates.items():
            port = free_port()
            argv = [sys.executable, "-m", "dandelion", "serve", "--port", str(port)]
            environment = {"DANDELION_MONITORING__DRIFT": enabled}
            server = Server(f"monitoring {enabled}", argv, environment, f"http://127.0.0.1:{port}/readyz", "file")
            with running(server, folder):
                measured.append(load(server, "starter", "thumbnail", photo, 32, seconds).per_second)
    on, off = (statistics.median(rates[enabled]) for enabled in ("true", "false"))
    print(f"requests/s at 32 connections: {on:.0f} with monitoring, {off:.0f} without: {on / off:.3f}")


if __name__ == "__main__":
    main()
