"""The prediction service: photos in, predictions out, with a model that can be swapped between two batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import structlog
from uuid_utils import uuid7

from dandelion.domain import ModelRef, Prediction
from dandelion.domain.arrays import Floats, Pixels
from dandelion.errors import NotReadyError, OverloadedError, PhotoError
from dandelion.imaging import decode
from dandelion.imaging.heatmap import render_heatmap
from dandelion.inference import classifier
from dandelion.inference.batcher import Batcher
from dandelion.inference.classifier import Classification, Classifier
from dandelion.inference.cores import usable_cores
from dandelion.inference.source import Found
from dandelion.package import ModelPackage
from dandelion.settings import Settings
from dandelion.telemetry import instruments, tracing

EXPLAINED_SIDE = 640
MAX_TRACED = 16

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServingModel:
    """The model in service, under its name in predictions, since a time in UTC."""

    ref: ModelRef
    classifier: Classifier
    since: datetime


class EmbeddedPrediction(NamedTuple):
    """A prediction, and the photo's embedding, float32 [D]."""

    prediction: Prediction
    embedding: Floats


# Called with every batch: the model, its package, and the arguments of an `Observer`.
Observer = Callable[[ModelRef, ModelPackage, Sequence[bytes], Pixels, Floats, Floats], None]


class PredictionService:
    """One server process's model, queue and workers; `observer` must be quick."""

    def __init__(self, settings: Settings, observer: Observer | None = None) -> None:
        self._observer = observer
        self._inference = settings.inference
        self._max_pixels = settings.api.max_photo_pixels
        self._track = settings.api.track
        self._workers = settings.inference.workers or usable_cores() + 1
        self._serving: ServingModel | None = None
        self._draining = False
        self._batcher: Batcher[bytes, tuple[ServingModel, Classification]] = Batcher(
            self._classify,
            self._classify_panorama,
            workers=self._workers,
            max_batch=settings.inference.max_batch,
            max_wait_seconds=settings.inference.max_wait_ms / 1000,
            max_queue=settings.inference.max_queue,
            deadline_seconds=settings.inference.deadline_seconds,
        )

    @property
    def serving(self) -> ServingModel:
        """The serving model.

        Raises:
            NotReadyError: No model is loaded yet.
        """
        if self._serving is None:
            raise NotReadyError("No model is loaded yet.", "Try again in a few seconds.")
        return self._serving

    @property
    def is_ready(self) -> bool:
        """Whether load balancers should send photos here."""
        return self._serving is not None and not self._draining

    @property
    def is_draining(self) -> bool:
        """Whether the process is about to stop."""
        return self._draining

    def swap(self, found: Found) -> bool:
        """Put `found` in service from the next batch on; return whether anything changed. Blocks during warm-up.

        If the package is already loaded, only the name changes.

        Raises:
            PackageError: The package cannot be loaded; the serving model stays in service.
        """
        before = self._serving
        if before is not None and before.classifier.package.digest == found.package.digest:
            if before.ref == found.ref:
                return False
            after = replace(before, ref=found.ref)
        else:
            classifier = Classifier.load(
                found.package, self._inference, workers=self._workers, max_pixels=self._max_pixels
            )
            classifier.warm_up()
            after = ServingModel(found.ref, classifier, datetime.now(UTC))
        self._serving = after
        self._report(after)
        log.info("model_serving", version=after.ref.version, precision=after.classifier.precision)
        return True

    def drain(self) -> None:
        """Report not ready; accepted photos are still classified."""
        self._draining = True

    def close(self) -> None:
        """Classify the waiting photos, then stop the workers. Blocks."""
        self._batcher.close()

    async def predict(self, photos: Sequence[bytes]) -> list[Prediction | PhotoError | OverloadedError]:
        """Predictions in the order of `photos`; a photo that cannot be classified gets an error in place of one.

        Raises:
            NotReadyError: No model is loaded, or the process is stopping.
            OverloadedError: The photos do not fit into the queue.
        """
        results = await self.predict_embedded(photos)
        return [each.prediction if isinstance(each, EmbeddedPrediction) else each for each in results]

    async def predict_embedded(
        self, photos: Sequence[bytes]
    ) -> list[EmbeddedPrediction | PhotoError | OverloadedError]:
        """Like `predict`, with the photos' embeddings."""
        started, submitted = time.perf_counter(), time.time_ns()
        _ = self.serving
        instruments.IN_FLIGHT.inc(len(photos))
        try:
            futures = self._batcher.submit(photos)
            results = await asyncio.gather(*futures, return_exceptions=True)
        finally:
            instruments.IN_FLIGHT.dec(len(photos))
        duration_ms = round((time.perf_counter() - started) * 1000, 3)
        _trace(submitted, results)
        return [self._prediction(result, duration_ms) for result in results]

    def explain(self, photo: bytes, label: str | None, strength: float) -> bytes:
        """A PNG of `photo` under the activation map of `label`, or of the predicted class. Blocks.

        Raises:
            PhotoError: The photo cannot be decoded.
            ValueError: The model has no class `label`.
        """
        classifier = self.serving.classifier
        pixels, seen = classifier.view(photo)
        maps = classifier.activation(pixels)
        classes = classifier.manifest.classes
        chosen = int(maps.mean(axis=(1, 2)).argmax()) if label is None else classes.index(label)
        # Evidence for one class is its map minus the mean of all maps: softmax ignores a common offset.
        evidence = maps[chosen] - maps.mean(axis=0)
        picture = decode(photo, min_side=EXPLAINED_SIDE, max_pixels=self._max_pixels)
        return render_heatmap(picture, evidence, seen, strength=strength, max_side=EXPLAINED_SIDE)

    def _classify(self, photos: Sequence[bytes]) -> list[tuple[ServingModel, Classification] | Exception | None]:
        serving = self.serving  # one model a batch, even if another is swapped in meanwhile
        results = serving.classifier.classify_ordinary(photos, self._observe(serving))
        return [(serving, result) if isinstance(result, Classification) else result for result in results]

    def _classify_panorama(self, photo: bytes) -> tuple[ServingModel, Classification] | Exception:
        serving = self.serving
        (result,) = serving.classifier.classify([photo], self._observe(serving))
        return (serving, result) if isinstance(result, Classification) else result

    def _observe(self, serving: ServingModel) -> classifier.Observer | None:
        return partial(self._observer, serving.ref, serving.classifier.package) if self._observer else None

    def _prediction(
        self, result: tuple[ServingModel, Classification] | BaseException, duration_ms: float
    ) -> EmbeddedPrediction | PhotoError | OverloadedError:
        if isinstance(result, (PhotoError, OverloadedError)):
            return result
        if isinstance(result, BaseException):
            raise result
        serving, found = result
        version = serving.ref.version
        instruments.PREDICTIONS.labels(found.label, version, self._track).inc()
        instruments.CONFIDENCE.labels(version, self._track).observe(found.confidence)
        if not found.in_distribution:
            instruments.OUTLIERS.labels(version, self._track).inc()
        prediction = Prediction(
            prediction_id=str(uuid7()),
            label=found.label,
            confidence=found.confidence,
            probabilities=found.probabilities,
            in_distribution=found.in_distribution,
            model=serving.ref,
            duration_ms=duration_ms,
        )
        return EmbeddedPrediction(prediction, found.embedding)

    def _report(self, serving: ServingModel) -> None:
        ref = serving.ref
        instruments.MODEL_INFO.clear()
        instruments.MODEL_INFO.labels(
            ref.name, ref.version, ref.alias or "", serving.classifier.precision, self._track
        ).set(1)
        instruments.OUTLIERS.labels(ref.version, self._track)  # so that the first one is a rise from 0
        for gauge in (instruments.MODEL_CREATED, instruments.MODEL_SINCE):
            gauge.clear()
        instruments.MODEL_SINCE.labels(ref.version).set(serving.since.timestamp())
        if (created := serving.classifier.manifest.created_at) is not None:
            instruments.MODEL_CREATED.labels(ref.version).set(created.timestamp())
        instruments.MODEL_ACCURACY.clear()  # of the previous model
        if (accuracy := serving.classifier.package.metrics().get("accuracy")) is not None:
            instruments.MODEL_ACCURACY.labels("test").set(accuracy)


def _trace(submitted: int, results: Sequence[tuple[ServingModel, Classification] | BaseException]) -> None:
    """Write the spans of the workers' stages for the first photos of a request."""
    for number, result in enumerate(results[:MAX_TRACED]):
        if not isinstance(result, BaseException):
            found = result[1]
            for name, (start, end) in {"queue": (submitted, found.taken_ns), **found.stages}.items():
                tracing.stage_at(name, start, end, photo=number)
