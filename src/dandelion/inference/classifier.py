"""Encoded photos to labels with calibrated confidence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dandelion.errors import PhotoError
from dandelion.imaging import prepare
from dandelion.inference.runtime import Floats, Pixels, Runtime, create_runtime
from dandelion.package import Manifest, ModelPackage, softmax
from dandelion.settings import InferenceSettings
from dandelion.telemetry import instruments


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says of one photo.

    Attributes:
        label: The most probable class.
        confidence: Its probability, calibrated, in [0, 1].
        probabilities: Class to probability.
        in_distribution: False when the embedding lies farther from every class than 95 % of known photos.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    in_distribution: bool


class Classifier:
    """A model package, loaded and ready to answer; safe to call from `lanes` threads at once."""

    def __init__(self, package: ModelPackage, runtime: Runtime, *, max_pixels: int | None = None) -> None:
        self.package = package
        self._runtime = runtime
        self._reference = package.reference()
        self._max_pixels = max_pixels

    @classmethod
    def load(
        cls,
        package: ModelPackage,
        settings: InferenceSettings,
        *,
        lanes: int = 1,
        max_pixels: int | None = None,
    ) -> Classifier:
        """Compile `package` for this machine."""
        return cls(package, create_runtime(package, settings, lanes), max_pixels=max_pixels)

    @property
    def manifest(self) -> Manifest:
        """The package's facts."""
        return self.package.manifest

    @property
    def precision(self) -> str:
        """What the graph computes in."""
        return self._runtime.precision

    def warm_up(self) -> None:
        """Run every batch size up to 8 once, so that no caller waits while kernels are made for its shape."""
        size = self.manifest.input
        for photos in range(1, 9):
            self._runtime.run(np.zeros((photos, size.height, size.width, 3), dtype=np.uint8))

    def classify(self, photos: Sequence[bytes]) -> list[Answer | PhotoError]:
        """Answers in the order of `photos`; a photo that cannot be decoded gets its error, the others their answer."""
        prepared: list[Pixels | PhotoError] = [self._prepare(photo) for photo in photos]
        good = [pixels for pixels in prepared if not isinstance(pixels, PhotoError)]
        answers = iter(self._run(np.stack(good)) if good else ())
        return [item if isinstance(item, PhotoError) else next(answers) for item in prepared]

    def prepare(self, photo: bytes) -> Pixels:
        """The photo as the model sees it, uint8 RGB [H, W, 3].

        Raises:
            PhotoError: It cannot be decoded or is too large.
        """
        return prepare(photo, self.manifest.input, max_pixels=self._max_pixels)

    def activation(self, pixels: Pixels) -> Floats:
        """Class activation map, float32 [K, h, w], of a prepared photo."""
        return self._runtime.activation(pixels)

    def _prepare(self, photo: bytes) -> Pixels | PhotoError:
        started = time.perf_counter()
        try:
            return self.prepare(photo)
        except PhotoError as error:
            return error
        finally:
            instruments.DECODE_SECONDS.observe(time.perf_counter() - started)

    def _run(self, batch: Pixels) -> list[Answer]:
        started = time.perf_counter()
        output = self._runtime.run(batch)
        instruments.INFERENCE_SECONDS.observe(time.perf_counter() - started)
        instruments.BATCH_SIZE.observe(len(batch))
        classes = self.manifest.classes
        probabilities = softmax(output.logits / self.manifest.temperature)
        known = self._reference.scores(output.embedding) <= self.manifest.outlier_threshold
        return [
            Answer(classes[best], row[best], dict(zip(classes, row, strict=True)), inside)
            for row, best, inside in zip(
                probabilities.tolist(), probabilities.argmax(axis=1).tolist(), known.tolist(), strict=True
            )
        ]
