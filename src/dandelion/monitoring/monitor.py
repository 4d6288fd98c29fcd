"""Inspects photos after their prediction, in its own thread, with a bounded queue and a limit of photos a second."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import numpy as np
import numpy.typing as npt
import structlog

from dandelion.domain import FeatureDrift, ModelRef
from dandelion.domain.arrays import Floats, Pixels
from dandelion.imaging import PreparedPhoto
from dandelion.imaging.statistics import NAMES, SIZE, measure_pixels, measure_size
from dandelion.monitoring.drift import compare
from dandelion.monitoring.sketch import CLASSES, Expected, Sketch
from dandelion.package import ModelPackage, Reference
from dandelion.settings import MonitoringSettings
from dandelion.telemetry import instruments

PANES = 5
MAX_WAITING = 64

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """Photos that one model classified in one batch, with their sizes by `measure_size`.

    Pixels are uint8 RGB [B, H, W, 3], embeddings float32 [B, D], and probabilities float32 [B, K].
    """

    ref: ModelRef
    package: ModelPackage
    sizes: Sequence[float]
    pixels: Pixels
    embedding: Floats
    probabilities: Floats


@dataclass(slots=True)
class MonitoredModel:
    """The photos that one model saw.

    Attributes:
        expected: The part of the reference that sketches are compared with.
        window: Sketches of the last photos, in `PANES` parts, the newest last.
        unsaved: Sketch of the photos that `take` has not returned yet.
        features: Drift in the last full window.
    """

    ref: ModelRef
    digest: str
    reference: Reference
    expected: Expected
    window: deque[Sketch]
    unsaved: Sketch
    features: list[FeatureDrift] = field(default_factory=list)


class DriftMonitor:
    """Compares one process's window of photos with the training photos of its model.

    Args:
        settings: The number of photos in a window, and the maximum number to inspect in a second.
        clock: Returns seconds; tests replace it.
    """

    def __init__(self, settings: MonitoringSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._pane_photos = max(1, settings.drift_window_photos // PANES)
        self._rate = settings.photos_per_second
        self._clock = clock
        self._allowance, self._since = max(1.0, self._rate), clock()
        self._offering = threading.Lock()
        self._queue: queue.Queue[Seen | None] = queue.Queue(MAX_WAITING)  # None is the end
        self._lock = threading.Lock()
        self._current: MonitoredModel | None = None
        self._replaced: list[MonitoredModel] = []
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to inspect the offered photos."""
        self._thread = threading.Thread(target=self._work, name="drift-monitor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Inspect the waiting photos, then stop."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def offer(
        self,
        ref: ModelRef,
        package: ModelPackage,
        photos: Sequence[bytes],
        pixels: Pixels,
        embedding: Floats,
        probabilities: Floats,
    ) -> None:
        """Queue some photos of a batch for inspection; never blocks. Called by the workers."""
        if any(isinstance(photo, PreparedPhoto) for photo in photos):
            whole = [number for number, photo in enumerate(photos) if not isinstance(photo, PreparedPhoto)]
            photos = [photos[number] for number in whole]
            pixels, embedding, probabilities = pixels[whole], embedding[whole], probabilities[whole]
        with self._offering:
            now = self._clock()
            # Unused allowance is carried over for one second, so that bursts after a pause are seen.
            self._allowance = min(max(1.0, self._rate), self._allowance + (now - self._since) * self._rate)
            self._since = now
            room = min(int(self._allowance), len(photos))
            if not room or self._queue.full():
                return
            self._allowance -= room
        # Measured without the lock, which every worker takes.
        sizes = [measure_size(photo) for photo in photos[:room]]
        with suppress(queue.Full):
            self._queue.put_nowait(Seen(ref, package, sizes, pixels[:room], embedding[:room], probabilities[:room]))

    def inspect(self, seen: Seen) -> None:
        """Add photos to the window; once the window is full, each full pane triggers a comparison."""
        with self._lock:
            model = self._of(seen)
            measured = measure_pixels(seen.pixels)
            values: dict[str, npt.NDArray[np.floating]] = {
                **{name: measured[:, column] for column, name in enumerate(NAMES)},
                SIZE: np.array(seen.sizes, dtype=np.float32),
                "confidence": seen.probabilities.max(axis=1),
                CLASSES: seen.probabilities.argmax(axis=1).astype(np.float32),
            }
            coordinates = model.reference.directions.coordinates(seen.embedding)
            photos = Sketch.of(model.expected, values, coordinates)
            model.unsaved += photos
            model.window[-1] += photos
            instruments.MONITORED.inc(photos.photos)
            if model.window[-1].photos >= self._pane_photos:
                if len(model.window) == PANES:
                    model.features = compare(reduce(add, model.window))
                    for each in model.features:
                        instruments.DRIFT.labels(each.feature, model.ref.version).set(each.score)
                        instruments.DRIFT_PHOTOS.set(each.photos)
                model.window.append(Sketch.empty(model.expected))

    def features(self) -> tuple[ModelRef, list[FeatureDrift]] | None:
        """The last model in service, and the drift in its last full window; empty before a window is full."""
        with self._lock:
            return None if self._current is None else (self._current.ref, self._current.features)

    def take(self) -> list[tuple[ModelRef, str, Sketch]]:
        """Model, digest and sketch of all photos since the last call, to be saved."""
        with self._lock:
            taken = []
            for model in [*self._replaced, *([self._current] if self._current else [])]:
                if model.unsaved.photos:
                    taken.append((model.ref, model.digest, model.unsaved))
                    model.unsaved = Sketch.empty(model.expected)
            self._replaced = []
            return taken

    def _of(self, seen: Seen) -> MonitoredModel:
        model = self._current
        if model is None or (model.ref, model.digest) != (seen.ref, seen.package.digest):
            if model is not None and model.unsaved.photos:
                self._replaced.append(model)
            reference = seen.package.reference()
            expected = Expected.of(reference)
            empty = Sketch.empty(expected)
            window = deque([empty], maxlen=PANES)
            self._current = model = MonitoredModel(
                seen.ref, seen.package.digest, reference, expected, window, unsaved=empty
            )
            instruments.DRIFT.clear()
            instruments.DRIFT_PHOTOS.set(0)
        return model

    def _work(self) -> None:
        while (seen := self._queue.get()) is not None:
            try:
                self.inspect(seen)
            except Exception:
                log.exception("watching_failed", version=seen.ref.version)
