"""Compare candidate and champion: on the frozen test split, and on recent photos that neither was trained on.

Every function raises `ObjectStoreError` or `DatabaseError` if the store or the database does not respond.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.domain import Split
from dandelion.errors import ObjectNotFoundError, PhotoError
from dandelion.objects import DATA_LAKE, PROCESSED, ObjectStore
from dandelion.release.deploy import Golden
from dandelion.release.gate import Decision, Scores, judge
from dandelion.retraining.lake import list_classed, list_labelled, prediction_of
from dandelion.retraining.scores import Judged
from dandelion.settings import ReleaseSettings
from dandelion.training.photos import describe_photo
from dandelion.training.splits import NEAR_BITS
from dandelion.training.versions import DatasetVersion

GOLDEN = "golden"
MAX_RECENT = 5000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both models' scores on the same photos, without a champion the candidate's alone; and the gate's decision."""

    photos: tuple[Judged, ...]
    candidate: Scores
    champion: Scores | None
    decision: Decision

    @property
    def changed(self) -> list[int]:
        """Indices of the photos for which the two models predict different labels."""
        if self.champion is None:
            return []
        pairs = zip(self.champion.labels, self.candidate.labels, strict=True)
        return [index for index, (before, after) in enumerate(pairs) if before != after]


def compare(
    photos: Sequence[Judged], candidate: Scores, champion: Scores | None, limits: ReleaseSettings
) -> Comparison:
    """Let the gate decide from both models' predictions."""
    true_labels, recent = [photo.label for photo in photos], [photo.recent for photo in photos]
    return Comparison(tuple(photos), candidate, champion, judge(true_labels, recent, candidate, champion, limits))


async def recently_labelled(engine: AsyncEngine, days: float) -> dict[str, tuple[str, str]]:
    """Photos that were labelled within the last `days`: origin to key in the data lake and label."""
    found = await list_labelled(engine, since=datetime.now(UTC) - timedelta(days=days))
    # All of them are held in memory, hence the limit. The newest are those that no model was trained on.
    return {each.origin: (each.key, each.label) for each in found[-MAX_RECENT:]}


def judged_photos(store: ObjectStore, dataset: DatasetVersion, recent: dict[str, tuple[str, str]]) -> list[Judged]:
    """The test split, and photos labelled since it was frozen that resemble no training photo."""
    found = []
    for record in dataset.photos:
        if record.split == Split.TEST:
            with suppress(ObjectNotFoundError):  # erased
                data, is_recent = store.get(PROCESSED, record.key), record.origin in recent
                found.append(Judged(record.sha256, record.label, data, is_recent, prediction_of(record.origin)))
    known = {record.origin for record in dataset.photos}
    learnt = np.array(
        [int(record.perceptual_hash, 16) for record in dataset.photos if record.split != Split.TEST], dtype=np.uint64
    )
    for origin, (key, label) in recent.items():
        if origin in known:
            continue
        with suppress(ObjectNotFoundError, PhotoError):
            data = store.get(DATA_LAKE, key)
            photo = describe_photo(Path(key), label, data)
            if not (np.bitwise_count(learnt ^ np.uint64(photo.perceptual_hash)) <= NEAR_BITS).any():
                found.append(Judged(photo.sha256, label, data, True, prediction_of(origin)))
    return list({each.sha256: each for each in found}.values())


def golden_photos(store: ObjectStore, comparison: Comparison | None, most_a_class: int) -> list[Golden]:
    """The golden photos: those uploaded as such, else the test photos that the models classify most confidently."""
    given = [Golden(key, label, store.get(DATA_LAKE, key)) for key, label in list_classed(store, GOLDEN)]
    if given or comparison is None:
        return given
    candidate, champion = comparison.candidate, comparison.champion
    surest: dict[str, list[tuple[float, Golden]]] = {}
    for index, photo in enumerate(comparison.photos):
        known_before = champion is None or champion.labels[index] == photo.label
        if known_before and candidate.labels[index] == photo.label and not photo.recent:
            golden = Golden(photo.sha256[:12], photo.label, photo.data)
            surest.setdefault(photo.label, []).append((candidate.confidences[index], golden))
    chosen = (sorted(found, key=lambda each: -each[0])[:most_a_class] for found in surest.values())
    return [golden for found in chosen for _, golden in found]
