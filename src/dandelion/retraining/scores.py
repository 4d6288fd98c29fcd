"""Score a model on labelled photos: its predictions, calibration, latency and agreement with its float32 graph."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dandelion.errors import PhotoError
from dandelion.inference.classifier import Classification, Classifier
from dandelion.package import ModelPackage
from dandelion.release.gate import Scores
from dandelion.settings import InferenceSettings
from dandelion.training.scoring import calibration_error

AT_ONCE = 8
TIMED = 50
UNREADABLE = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled photo that both models classify.

    Attributes:
        recent: Whether it came from recent traffic.
        prediction_id: Id of the prediction that it came from, by which it can be erased; None for an upload.
    """

    sha256: str
    label: str
    data: bytes
    recent: bool
    prediction_id: str | None


def score(package: ModelPackage, photos: Sequence[Judged], settings: InferenceSettings) -> Scores:
    """Classify every photo with the model of `package`, with the runtime that serving uses on this machine.

    The label of a photo that cannot be decoded is `UNREADABLE`.
    """
    classifier = Classifier.load(package, settings)
    predictions = _predict(classifier, photos)
    exact = Classifier.load(package, settings.model_copy(update={"runtime": "openvino", "precision": "float32"}))
    same = [_label(one) == _label(other) for one, other in zip(predictions, _predict(exact, photos), strict=True)]
    return Scores(
        labels=[_label(each) for each in predictions],
        confidences=[each.confidence if isinstance(each, Classification) else 0.0 for each in predictions],
        ece=_calibration(predictions, photos),
        latency_ms=_median_ms(classifier, photos),
        size_bytes=sum(file.stat().st_size for file in package.path.rglob("*") if file.is_file()),
        agreement=sum(same) / len(same) if same else 1.0,
    )


def _predict(classifier: Classifier, photos: Sequence[Judged]) -> list[Classification | PhotoError]:
    return [
        prediction
        for start in range(0, len(photos), AT_ONCE)
        for prediction in classifier.classify([photo.data for photo in photos[start : start + AT_ONCE]])
    ]


def _label(prediction: Classification | PhotoError) -> str:
    return prediction.label if isinstance(prediction, Classification) else UNREADABLE


def _calibration(predictions: Sequence[Classification | PhotoError], photos: Sequence[Judged]) -> float:
    known = [(each, photo) for each, photo in zip(predictions, photos, strict=True) if isinstance(each, Classification)]
    if not known:
        return 1.0
    classes = list(known[0][0].probabilities)
    probabilities = np.array([list(each.probabilities.values()) for each, _ in known], dtype=np.float32)
    targets = np.array([classes.index(photo.label) if photo.label in classes else -1 for _, photo in known])
    return calibration_error(probabilities, targets)


def _median_ms(classifier: Classifier, photos: Sequence[Judged]) -> float:
    classifier.warm_up()
    times = []
    for photo in photos[:TIMED]:
        started = time.perf_counter()
        classifier.classify([photo.data])
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times) if times else 0.0
