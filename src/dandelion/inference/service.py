"""What the faces call: photos in, predictions out, with a model that can be swapped between two batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import structlog
from uuid_utils import uuid7

from dandelion.domain import ModelRef, Prediction
from dandelion.domain.arrays import Floats, Pixels
from dandelion.errors import NotReadyError, OverloadedError, PhotoError
from dandelion.imaging import decode
from dandelion.imaging.heatmap import draw_heatmap
from dandelion.inference.batcher import Batcher
from dandelion.inference.classifier import Answer, Classifier
from dandelion.inference.cores import usable_cores
from dandelion.inference.source import Found
from dandelion.package import ModelPackage
from dandelion.settings import Settings
from dandelion.telemetry import instruments, tracing

EXPLAINED_SIDE = 640
MAX_TRACED = 16

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Serving:
    """The model that answers now.

    Attributes:
        ref: Its name in answers.
        classifier: The loaded model.
        since: When it began to serve, UTC.
    """

    ref: ModelRef
    classifier: Classifier
    since: datetime


# Told of every batch: who answered, with which package, and what an `Observer` is told.
Observer = Callable[[ModelRef, ModelPackage, Sequence[bytes], Pixels, Floats, Floats], None]


class PredictionService:
    """One server process's model, queue and workers.

    Args:
        settings: How many workers, how long the queue.
        observer: Told of every batch; it must be quick.
    """

    def __init__(self, settings: Settings, observer: Observer | None = None) -> None:
        self._observer = observer
        self._inference = settings.inference
        self._max_pixels = settings.api.max_photo_pixels
        self._track = settings.api.track
        self._workers = settings.inference.workers or usable_cores() + 1
        self._serving: Serving | None = None
        self._draining = False
        self._batcher: Batcher[bytes, tuple[Serving, Answer]] = Batcher(
            self._classify,
            workers=self._workers,
            max_batch=settings.inference.max_batch,
            max_wait_seconds=settings.inference.max_wait_ms / 1000,
            max_queue=settings.inference.max_queue,
            deadline_seconds=settings.inference.deadline_seconds,
        )

    @property
    def serving(self) -> Serving:
        """The model that answers now.

        Raises:
            NotReadyError: None is loaded yet.
        """
        if self._serving is None:
            raise NotReadyError("No model is loaded yet.", "Try again in a few seconds.")
        return self._serving

    @property
    def is_ready(self) -> bool:
        """Whether balancers should send photos here."""
        return self._serving is not None and not self._draining

    @property
    def is_draining(self) -> bool:
        """Whether the process is about to stop."""
        return self._draining

    def swap(self, found: Found) -> bool:
        """Serve `found` from the next batch on; return whether anything changed. Blocks while the model warms up.

        A version whose package is the one already loaded only changes its name.

        Raises:
            PackageError: The package cannot be loaded; what served before goes on.
        """
        before = self._serving
        if before is not None and before.ref == found.ref and before.classifier.package.digest == found.package.digest:
            return False
        if before is not None and before.classifier.package.digest == found.package.digest:
            after = replace(before, ref=found.ref)
        else:
            classifier = Classifier.load(
                found.package, self._inference, workers=self._workers, max_pixels=self._max_pixels
            )
            classifier.warm_up()
            after = Serving(found.ref, classifier, datetime.now(UTC))
        self._serving = after
        self._report(after)
        log.info("model_serving", version=after.ref.version, precision=after.classifier.precision)
        return True

    def drain(self) -> None:
        """Stop being ready; what was taken is still answered."""
        self._draining = True

    def close(self) -> None:
        """Answer what waits, then stop the workers. Blocks."""
        self._batcher.close()

    async def predict(self, photos: Sequence[bytes]) -> list[Prediction | PhotoError | OverloadedError]:
        """Answers in the order of `photos`; a photo that cannot be answered gets its error, the others their answer.

        Raises:
            NotReadyError: No model is loaded, or the process is stopping.
            OverloadedError: The photos do not fit into the queue.
        """
        started, submitted = time.perf_counter(), time.time_ns()
        _ = self.serving
        instruments.IN_FLIGHT.inc(len(photos))
        try:
            futures = self._batcher.submit(photos)
            answers = await asyncio.gather(*futures, return_exceptions=True)
        finally:
            instruments.IN_FLIGHT.dec(len(photos))
        duration_ms = round((time.perf_counter() - started) * 1000, 3)
        _trace(submitted, answers)
        return [self._prediction(answer, duration_ms) for answer in answers]

    def explain(self, photo: bytes, label: str | None, strength: float) -> bytes:
        """A PNG of `photo` with the activation map of `label`, or of the predicted class, laid over it. Blocks.

        Raises:
            PhotoError: The photo cannot be decoded.
            ValueError: The model has no class `label`.
        """
        classifier = self.serving.classifier
        pixels = classifier.prepare(photo)
        maps = classifier.activation(pixels)
        classes = classifier.manifest.classes
        chosen = int(maps.mean(axis=(1, 2)).argmax()) if label is None else classes.index(label)
        # Evidence for one class is what the map says beyond what it says for all: softmax ignores a common offset.
        evidence = maps[chosen] - maps.mean(axis=0)
        picture = decode(photo, min_side=EXPLAINED_SIDE, max_pixels=self._max_pixels)
        return draw_heatmap(picture, evidence, classifier.manifest.input, strength=strength, max_side=EXPLAINED_SIDE)

    def _classify(self, photos: Sequence[bytes]) -> list[tuple[Serving, Answer] | Exception]:
        serving = self.serving  # one model a batch, whatever is swapped in meanwhile
        observer = partial(self._observer, serving.ref, serving.classifier.package) if self._observer else None
        answers = serving.classifier.classify(photos, observer)
        return [answer if isinstance(answer, PhotoError) else (serving, answer) for answer in answers]

    def _prediction(
        self, answered: tuple[Serving, Answer] | BaseException, duration_ms: float
    ) -> Prediction | PhotoError | OverloadedError:
        if isinstance(answered, (PhotoError, OverloadedError)):
            return answered
        if isinstance(answered, BaseException):
            raise answered
        serving, answer = answered
        version = serving.ref.version
        instruments.PREDICTIONS.labels(answer.label, version, self._track).inc()
        instruments.CONFIDENCE.labels(version, self._track).observe(answer.confidence)
        if not answer.in_distribution:
            instruments.OUTLIERS.labels(version, self._track).inc()
        return Prediction(
            prediction_id=str(uuid7()),
            label=answer.label,
            confidence=answer.confidence,
            probabilities=answer.probabilities,
            in_distribution=answer.in_distribution,
            model=serving.ref,
            duration_ms=duration_ms,
        )

    def _report(self, serving: Serving) -> None:
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
        instruments.MODEL_ACCURACY.clear()  # the last model's
        if (accuracy := serving.classifier.package.metrics().get("accuracy")) is not None:
            instruments.MODEL_ACCURACY.labels("test").set(accuracy)


def _trace(submitted: int, answers: Sequence[tuple[Serving, Answer] | BaseException]) -> None:
    """Spans of what the workers did with the first photos of a request."""
    for number, answered in enumerate(answers[:MAX_TRACED]):
        if not isinstance(answered, BaseException):
            stages = answered[1].stages
            tracing.stage_at("queue", submitted, stages.taken, photo=number)
            tracing.stage_at("decode", stages.decoding, stages.decoded, photo=number)
            tracing.stage_at("inference", stages.running, stages.ran, photo=number)
