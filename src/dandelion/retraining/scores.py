"""What a model answers to labelled photos, and how it answers: calibration, time, agreement with its own graph."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dandelion.errors import PhotoError
from dandelion.inference.classifier import Answer, Classifier
from dandelion.package import ModelPackage
from dandelion.release.gate import ModelMetrics
from dandelion.settings import InferenceSettings
from dandelion.training.scoring import calibration_error

AT_ONCE = 8
TIMED = 50
UNREADABLE = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled photo that both models are asked about.

    Attributes:
        sha256: Of its bytes.
        label: Its class.
        data: Its bytes.
        recent: Whether it came from traffic of late.
        prediction_id: The prediction that it came by, and by which it may be erased; None of one that was put there.
    """

    sha256: str
    label: str
    data: bytes
    recent: bool
    prediction_id: str | None


@dataclass(frozen=True, slots=True)
class Scores:
    """One model's answers.

    Attributes:
        labels: What it said of each photo; `UNREADABLE` where it could not decode it.
        confidences: How sure it was.
        metrics: Its other metrics.
    """

    labels: tuple[str, ...]
    confidences: tuple[float, ...]
    metrics: ModelMetrics


def score(package: ModelPackage, photos: Sequence[Judged], settings: InferenceSettings) -> Scores:
    """Ask the model of `package`, run as serving runs it on this machine, about every photo."""
    classifier = Classifier.load(package, settings)
    answers = _ask(classifier, photos)
    exact = Classifier.load(package, settings.model_copy(update={"runtime": "openvino", "precision": "float32"}))
    same = [_label(one) == _label(other) for one, other in zip(answers, _ask(exact, photos), strict=True)]
    metrics = ModelMetrics(
        ece=_calibration(answers, photos),
        latency_ms=_median_ms(classifier, photos),
        size_bytes=sum(file.stat().st_size for file in package.path.rglob("*") if file.is_file()),
        agreement=sum(same) / len(same) if same else 1.0,
    )
    return Scores(
        labels=tuple(_label(answer) for answer in answers),
        confidences=tuple(answer.confidence if isinstance(answer, Answer) else 0.0 for answer in answers),
        metrics=metrics,
    )


def _ask(classifier: Classifier, photos: Sequence[Judged]) -> list[Answer | PhotoError]:
    found: list[Answer | PhotoError] = []
    for start in range(0, len(photos), AT_ONCE):
        found += classifier.classify([photo.data for photo in photos[start : start + AT_ONCE]])
    return found


def _label(answer: Answer | PhotoError) -> str:
    return answer.label if isinstance(answer, Answer) else UNREADABLE


def _calibration(answers: Sequence[Answer | PhotoError], photos: Sequence[Judged]) -> float:
    known = [(answer, photo) for answer, photo in zip(answers, photos, strict=True) if isinstance(answer, Answer)]
    if not known:
        return 1.0
    classes = list(known[0][0].probabilities)
    probabilities = np.array([list(answer.probabilities.values()) for answer, _ in known], dtype=np.float32)
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
