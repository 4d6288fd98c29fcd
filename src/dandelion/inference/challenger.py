"""The other model: the version on trial beside the one that serves, or the other way round. Loaded when asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from dandelion.domain import CHALLENGER, CHAMPION, ModelRef
from dandelion.errors import PhotoError
from dandelion.inference.classifier import Answer, Classifier
from dandelion.inference.source import ModelSource
from dandelion.settings import Settings


class Challenger:
    """Answers of the version that the other alias points at; what is asked of it is no traffic and is not kept."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        alias = CHAMPION if settings.model.alias == CHALLENGER else CHALLENGER
        other = settings.model.model_copy(update={"alias": alias, "version": None})
        self._source = ModelSource(settings.model_copy(update={"model": other}))
        self._loaded: tuple[ModelRef, Classifier] | None = None
        self._looked_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def find(self) -> tuple[ModelRef, str] | None:
        """Which version that is, and the digest of its package; None when there is none.

        Raises:
            RegistryError: MLflow does not answer.
            PackageError: Its package is not sound.
        """
        async with self._one_at_a_time:
            if not self._source.is_fixed and time.monotonic() - self._looked_at > self._settings.model.poll_seconds:
                await asyncio.to_thread(self._look)
                self._looked_at = time.monotonic()
            return (self._loaded[0], self._loaded[1].package.digest) if self._loaded else None

    async def classify(self, photos: Sequence[bytes]) -> list[Answer | PhotoError]:
        """Its answers, in the order of `photos`; to be asked after `find` found it."""
        async with self._one_at_a_time:
            if self._loaded is None:
                return []
            return await asyncio.to_thread(self._loaded[1].classify, photos)

    def _look(self) -> None:
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
