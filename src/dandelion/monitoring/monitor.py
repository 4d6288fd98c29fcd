"""Looks at photos behind the answers: a thread of its own, a bounded queue, at most so many photos a second."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import structlog

from dandelion.domain import FeatureDrift, ModelRef
from dandelion.domain.arrays import Floats, Pixels
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
    """Photos that one model answered together.

    Attributes:
        ref: What the model is called.
        package: The model.
        sizes: As `measure_size` has them.
        pixels: uint8 RGB [B, H, W, 3].
        embedding: float32 [B, D].
        probabilities: float32 [B, K].
    """

    ref: ModelRef
    package: ModelPackage
    sizes: Sequence[float]
    pixels: Pixels
    embedding: Floats
    probabilities: Floats


@dataclass(slots=True)
class Watched:
    """What one model saw.

    Attributes:
        ref: What it is called.
        digest: Of its package.
        reference: What it was trained on.
        window: The last photos, in `PANES` parts, the newest last.
        unsaved: What `take` has not taken yet.
        features: What the last full window said.
    """

    ref: ModelRef
    digest: str
    reference: Reference
    expected: Expected
    window: deque[Sketch]
    unsaved: Sketch
    features: list[FeatureDrift] = field(default_factory=list)


class DriftMonitor:
    """One process's window of photos against what its model was trained on.

    Args:
        settings: How many photos make a window, and how many a second are looked at.
        clock: Seconds, for tests.
    """

    def __init__(self, settings: MonitoringSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._pane_photos = max(1, settings.drift_window_photos // PANES)
        self._rate = settings.photos_per_second
        self._clock = clock
        self._allowance, self._since = max(1.0, self._rate), clock()
        self._queue: deque[Seen] = deque()
        self._changed = threading.Condition()
        self._lock = threading.Lock()
        self._watched: Watched | None = None
        self._replaced: list[Watched] = []
        self._closed = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look at what is offered."""
        self._thread = threading.Thread(target=self._work, name="drift-monitor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look at what waits, then end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
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
        """Take some of a batch to look at later; never waits. Called by the threads that answer."""
        with self._changed:
            now = self._clock()
            # What nobody used is kept for one second, so that bursts after silence are seen.
            self._allowance = min(max(1.0, self._rate), self._allowance + (now - self._since) * self._rate)
            self._since = now
            room = min(int(self._allowance), len(photos))
            if not room or len(self._queue) >= MAX_WAITING:
                return
            self._allowance -= room
        # Not under the lock, which every worker takes.
        sizes = [measure_size(photo) for photo in photos[:room]]
        with self._changed:
            if len(self._queue) < MAX_WAITING:
                self._queue.append(Seen(ref, package, sizes, pixels[:room], embedding[:room], probabilities[:room]))
                self._changed.notify()

    def look(self, seen: Seen) -> None:
        """Add photos to the window; once it is full, every pane compares them again."""
        with self._lock:
            watched = self._of(seen)
            measured = measure_pixels(seen.pixels)
            values: dict[str, npt.NDArray[np.floating]] = {
                **{name: measured[:, column] for column, name in enumerate(NAMES)},
                SIZE: np.array(seen.sizes, dtype=np.float32),
                "confidence": seen.probabilities.max(axis=1),
                CLASSES: seen.probabilities.argmax(axis=1).astype(np.float32),
            }
            coordinates = watched.reference.directions.coordinates(seen.embedding)
            photos = Sketch.of(watched.expected, values, coordinates)
            watched.unsaved += photos
            watched.window[-1] += photos
            instruments.MONITORED.inc(photos.photos)
            if watched.window[-1].photos >= self._pane_photos:
                if len(watched.window) == PANES:
                    watched.features = compare(sum_of(watched.window))
                    self._report(watched)
                watched.window.append(Sketch.empty(watched.expected))

    def features(self) -> tuple[ModelRef, list[FeatureDrift]] | None:
        """The model that was seen last, and what its last full window said: nothing before it is full."""
        with self._lock:
            return None if self._watched is None else (self._watched.ref, self._watched.features)

    def take(self) -> list[tuple[ModelRef, str, Sketch]]:
        """Model, digest and sketch of all photos since the last time, to be saved."""
        with self._lock:
            taken = []
            for watched in [*self._replaced, *([self._watched] if self._watched else [])]:
                if watched.unsaved.photos:
                    taken.append((watched.ref, watched.digest, watched.unsaved))
                    watched.unsaved = Sketch.empty(watched.expected)
            self._replaced = []
            return taken

    def _of(self, seen: Seen) -> Watched:
        watched = self._watched
        if watched is None or (watched.ref, watched.digest) != (seen.ref, seen.package.digest):
            if watched is not None and watched.unsaved.photos:
                self._replaced.append(watched)
            reference = seen.package.reference()
            expected = Expected.of(reference)
            empty = Sketch.empty(expected)
            window = deque([empty], maxlen=PANES)
            self._watched = watched = Watched(seen.ref, seen.package.digest, reference, expected, window, unsaved=empty)
            instruments.DRIFT.clear()
            instruments.DRIFT_PHOTOS.set(0)
        return watched

    def _report(self, watched: Watched) -> None:
        for figure in watched.features:
            instruments.DRIFT.labels(figure.feature, watched.ref.version).set(figure.score)
            instruments.DRIFT_PHOTOS.set(figure.photos)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._closed:
                    self._changed.wait()
                if not self._queue:
                    return
                seen = self._queue.popleft()
            try:
                self.look(seen)
            except Exception:
                log.exception("watching_failed", version=seen.ref.version)


def sum_of(sketches: Sequence[Sketch] | deque[Sketch]) -> Sketch:
    """Of the photos of all."""
    first, *others = sketches
    for other in others:
        first += other
    return first
