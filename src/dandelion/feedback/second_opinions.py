"""The challenger's predictions for stored photos."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

import structlog

from dandelion.concurrency.executor import BoundedExecutor
from dandelion.domain import StoredPrediction
from dandelion.errors import DandelionError
from dandelion.inference.challenger import Challenger
from dandelion.objects import DATA_LAKE, ObjectStore

SECOND_OPINION_SECONDS = 2.0
AT_ONCE = 8

log = structlog.get_logger(__name__)


class SecondOpinions:
    """Let the challenger classify stored photos, each of them once."""

    MOST = 10_000

    def __init__(self, challenger: Challenger, store: ObjectStore, readers: BoundedExecutor) -> None:
        self._challenger = challenger
        self._store = store
        self._readers = readers
        self._known: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def of(self, found: Sequence[StoredPrediction]) -> dict[str, str]:
        """The challenger's label, by prediction id, for as many photos as it classifies within two seconds."""
        try:
            other = await self._challenger.find()
        except DandelionError as error:
            log.info("no_second_opinion", reason=str(error))
            return {}
        if other is None:
            return {}
        digest = other[1]
        fresh = [each for each in found if (digest, each.prediction_id) not in self._known]
        try:
            async with asyncio.timeout(SECOND_OPINION_SECONDS):
                for start in range(0, len(fresh), AT_ONCE):
                    await self._classify(digest, fresh[start : start + AT_ONCE])
        except TimeoutError:
            pass  # the next call gets more
        labels = {each.prediction_id: self._known.get((digest, each.prediction_id)) for each in found}
        return {prediction_id: label for prediction_id, label in labels.items() if label is not None}

    async def _classify(self, digest: str, found: Sequence[StoredPrediction]) -> None:
        read = (self._readers.run(self._store.get, DATA_LAKE, each.photo_key or "") for each in found)
        photos = {
            each.prediction_id: photo
            for each, photo in zip(found, await asyncio.gather(*read, return_exceptions=True), strict=True)
            if isinstance(photo, bytes)
        }
        results = await self._challenger.classify(list(photos.values()))
        for prediction_id, result in zip(photos, results, strict=False):
            if not isinstance(result, Exception):
                self._known[digest, prediction_id] = result.label
        while len(self._known) > self.MOST:
            self._known.popitem(last=False)
