"""From encoded photos to labels with calibrated confidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import structlog

from dandelion.domain.arrays import Floats, Pixels
from dandelion.errors import NotAnImageError, PhotoError
from dandelion.imaging.prepare import MAX_VIEWS, Box, PanoramaError, Views, cut_views
from dandelion.inference.engines import create_runtime, leave_algebra_one_thread
from dandelion.inference.runtime import Output, Runtime
from dandelion.package import Manifest, ModelPackage, softmax
from dandelion.package.panorama import choose_view
from dandelion.settings import InferenceSettings
from dandelion.telemetry import instruments

# Batches and the views of a panorama are no larger by default.
_WARM = max(8, MAX_VIEWS)

_Other = TypeVar("_Other", PhotoError, PhotoError | None)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Classification:
    """The model's prediction for one photo.

    Attributes:
        label: The most probable class.
        confidence: Calibrated probability of the label, in [0, 1].
        probabilities: Class to probability.
        in_distribution: False if the photo is farther from the training photos than 95 % of known photos.
        embedding: float32 [D].
        taken_ns: When a worker took the photo, nanoseconds since the epoch.
        stages: When decoding and the inference of its batch began and ended, nanoseconds since the epoch.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    in_distribution: bool
    embedding: Floats
    taken_ns: int
    stages: dict[str, tuple[int, int]]


# Called with every classified batch, in the worker's thread, so it must be quick: encoded photos; the model's input,
# uint8 RGB [B, H, W, 3]; embeddings, float32 [B, D]; calibrated probabilities, float32 [B, K].
Observer = Callable[[Sequence[bytes], Pixels, Floats, Floats], None]


class Classifier:
    """A loaded model package, ready to classify; safe to call from `workers` threads at once."""

    def __init__(self, package: ModelPackage, runtime: Runtime, *, max_pixels: int | None = None) -> None:
        self.package = package
        self._runtime = runtime
        self._neighbours = package.reference().neighbours
        self._max_pixels = max_pixels

    @classmethod
    def load(
        cls,
        package: ModelPackage,
        settings: InferenceSettings,
        *,
        workers: int = 1,
        max_pixels: int | None = None,
    ) -> Classifier:
        """Compile `package` for this machine."""
        leave_algebra_one_thread()
        return cls(package, create_runtime(package, settings, workers), max_pixels=max_pixels)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the package."""
        return self.package.manifest

    @property
    def precision(self) -> str:
        """The precision in which the graph computes."""
        return self._runtime.precision

    @property
    def embedding_size(self) -> int:
        """D, the length of an embedding."""
        return int(self._neighbours.embeddings.shape[1])

    def warm_up(self) -> None:
        """Run every batch size up to `_WARM` once, so that no caller waits while kernels are compiled for its shape."""
        size = self.manifest.input
        for photos in range(1, _WARM + 1):
            self._runtime.run(np.zeros((photos, size.height, size.width, 3), dtype=np.uint8))

    def classify(self, photos: Sequence[bytes], observer: Observer | None = None) -> list[Classification | PhotoError]:
        """Predictions in the order of `photos`; a photo that cannot be decoded gets an error in place of one."""
        taken = time.time_ns()
        return self._classify([self._decode(photo) for photo in photos], taken, observer)

    def classify_ordinary(
        self, photos: Sequence[bytes], observer: Observer | None = None
    ) -> list[Classification | PhotoError | None]:
        """Like `classify`, with None for each panorama: those take several inferences, and are not decoded."""
        taken = time.time_ns()
        return self._classify([self._decode_ordinary(photo) for photo in photos], taken, observer)

    def cut(self, photo: bytes, *, refuse_panorama: bool = False) -> Views:
        """What the model can see of the photo.

        Raises:
            PhotoError: The photo cannot be decoded or is too large.
            PanoramaError: With `refuse_panorama`, it has several views; it is not decoded.
        """
        size = self.manifest.input
        return cut_views(photo, size, max_pixels=self._max_pixels, refuse_panorama=refuse_panorama)

    def view(self, photo: bytes) -> tuple[Pixels, Box]:
        """What the model sees, uint8 RGB [H, W, 3], and its place, in shares of the photo's width and height.

        Raises:
            PhotoError: The photo cannot be decoded or is too large.
        """
        views = self.cut(photo)
        chosen = self._choose(views)
        return views.pixels[chosen], views.boxes[chosen]

    def activation(self, pixels: Pixels) -> Floats:
        """Class activation map, float32 [K, h, w], of a prepared photo."""
        return self._runtime.activation(pixels)

    def _choose(self, views: Views) -> int:
        if len(views.pixels) == 1:
            return 0
        manifest, output = self.manifest, self._infer(views.pixels)
        return choose_view(
            output.logits / manifest.temperature,
            output.embedding,
            self._neighbours,
            background=manifest.background_index,
            outlier_threshold=manifest.outlier_threshold,
        )

    def _classify(
        self, decoded: Sequence[_Decoded | _Other], taken: int, observer: Observer | None
    ) -> list[Classification | _Other]:
        good = [each for each in decoded if isinstance(each, _Decoded)]
        results = iter(self._run(good, taken, observer) if good else ())
        return [next(results) if isinstance(each, _Decoded) else each for each in decoded]

    def _decode_ordinary(self, photo: bytes) -> _Decoded | PhotoError | None:
        try:
            return self._decode(photo, refuse_panorama=True)
        except PanoramaError:
            return None

    def _decode(self, photo: bytes, *, refuse_panorama: bool = False) -> _Decoded | PhotoError:
        found: Views | PhotoError
        started = time.time_ns()
        try:
            found = self.cut(photo, refuse_panorama=refuse_panorama)
        except PanoramaError:
            raise
        except PhotoError as error:
            found = error
        except Exception:
            # The batch holds photos of other requests: a decoder that fails on one must not fail the rest.
            log.exception("photo_failed", size_bytes=len(photo))
            found = NotAnImageError("This photo cannot be decoded.", "Save it again as a baseline JPEG.")
        ended = time.time_ns()
        instruments.DECODE_SECONDS.observe((ended - started) / 1e9)
        return _Decoded(photo, found, (started, ended)) if isinstance(found, Views) else found

    def _infer(self, batch: Pixels) -> Output:
        with instruments.INFERENCE_SECONDS.time():
            return self._runtime.run(batch)

    def _run(self, decoded: Sequence[_Decoded], taken: int, observer: Observer | None) -> list[Classification]:
        running = time.time_ns()
        batch = np.stack([each.views.pixels[self._choose(each.views)] for each in decoded])
        output = self._infer(batch)
        ran = time.time_ns()
        instruments.BATCH_SIZE.observe(len(batch))
        classes = self.manifest.classes
        probabilities = softmax(output.logits / self.manifest.temperature)
        if observer is not None:
            observer([each.photo for each in decoded], batch, output.embedding, probabilities)
        is_known = self._neighbours.scores(output.embedding) <= self.manifest.outlier_threshold
        return [
            Classification(
                classes[best],
                row[best],
                dict(zip(classes, row, strict=True)),
                inside,
                embedding,
                taken,
                {"decode": each.decoding, "inference": (running, ran)},
            )
            for each, row, best, inside, embedding in zip(
                decoded,
                probabilities.tolist(),
                probabilities.argmax(axis=1).tolist(),
                is_known.tolist(),
                output.embedding,
                strict=True,
            )
        ]


@dataclass(frozen=True, slots=True)
class _Decoded:
    photo: bytes
    views: Views
    decoding: tuple[int, int]
