"""The model to compare with: the challenger, or the champion on a server of the challenger. Loaded on first use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from dandelion.domain import CHALLENGER, CHAMPION, ModelRef
from dandelion.errors import PhotoError
from dandelion.inference.classifier import Classification, Classifier
from dandelion.inference.source import ModelSource
from dandelion.settings import Settings


class Challenger:
    """Predictions of the version that the other alias points at. They are not stored and do not count as traffic."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        alias = CHAMPION if settings.model.alias == CHALLENGER else CHALLENGER
        other = settings.model.model_copy(update={"alias": alias, "version": None})
        self._source = ModelSource(settings.model_copy(update={"model": other}))
        self._loaded: tuple[ModelRef, Classifier] | None = None
        self._checked_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def find(self) -> tuple[ModelRef, str] | None:
        """The version and the digest of its package; None if there is none.

        Raises:
            RegistryError: MLflow does not respond.
            PackageError: The package is damaged.
        """
        async with self._one_at_a_time:
            if not self._source.is_fixed and time.monotonic() - self._checked_at > self._settings.model.poll_seconds:
                await asyncio.to_thread(self._refresh)
                self._checked_at = time.monotonic()
            return (self._loaded[0], self._loaded[1].package.digest) if self._loaded else None

    async def classify(self, photos: Sequence[bytes]) -> list[Classification | PhotoError]:
        """Its predictions, in the order of `photos`. Call `find` first; without a version the list is empty."""
        async with self._one_at_a_time:
            if self._loaded is None:
                return []
            return await asyncio.to_thread(self._loaded[1].classify, photos)

    def _refresh(self) -> None:
        found = self._source.current()
        if found is None:
            self._loaded = None
        elif self._loaded is None or self._loaded[1].package.digest != found.package.digest:
            settings = self._settings
            classifier = Classifier.load(
                found.package, settings.inference, workers=1, max_pixels=settings.api.max_photo_pixels
            )
            self._loaded = found.ref, classifier
        else:
            self._loaded = found.ref, self._loaded[1]
