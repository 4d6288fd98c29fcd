"""Compare candidate and champion: on the frozen test split, and on recent photos that neither was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.domain import Split
from dandelion.errors import ObjectNotFoundError, PhotoError
from dandelion.objects import DATA_LAKE, PROCESSED, ObjectStore
from dandelion.release.deploy import Golden
from dandelion.release.gate import Decision, Evidence, judge
from dandelion.retraining.lake import label_of, list_labelled, prediction_of
from dandelion.retraining.scores import Judged, Scores
from dandelion.settings import ReleaseSettings
from dandelion.training.photos import Photo, describe_photo
from dandelion.training.splits import NEAR_BITS
from dandelion.training.versions import DatasetVersion

GOLDEN = "golden"
MAX_RECENT = 5000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both models' predictions for the same photos.

    Attributes:
        photos: The photos.
        candidate: The candidate's predictions and metrics.
        champion: The champion's; None while there is no champion.
        decision: The gate's decision.
    """

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
    evidence = Evidence(
        true_labels=[photo.label for photo in photos],
        candidate=candidate.labels,
        champion=champion.labels if champion else None,
        recent=[photo.recent for photo in photos],
        metrics=candidate.metrics,
        champion_metrics=champion.metrics if champion else None,
    )
    return Comparison(tuple(photos), candidate, champion, judge(evidence, limits))


async def recently_labelled(engine: AsyncEngine, days: float) -> dict[str, tuple[str, str]]:
    """Photos that were labelled within the last `days`: origin to key in the data lake and label.

    Raises:
        DatabaseError: The database does not respond.
    """
    found = await list_labelled(engine, since=datetime.now(UTC) - timedelta(days=days))
    # All of them are held in memory, hence the limit. The newest are those that no model was trained on.
    return {each.origin: (each.key, each.label) for each in found[-MAX_RECENT:]}


def judged_photos(store: ObjectStore, dataset: DatasetVersion, recent: dict[str, tuple[str, str]]) -> list[Judged]:
    """The test split, and photos labelled since it was frozen that resemble no training photo.

    Raises:
        ObjectStoreError: The store does not respond.
    """
    found = []
    for record in dataset.photos:
        if record.split == Split.TEST:
            try:
                data = store.get(PROCESSED, record.key)
            except ObjectNotFoundError:
                continue  # erased
            is_recent = record.origin in recent
            found.append(Judged(record.sha256, record.label, data, is_recent, prediction_of(record.origin)))
    known = {record.origin for record in dataset.photos}
    learnt = np.array(
        [int(record.perceptual_hash, 16) for record in dataset.photos if record.split != Split.TEST], dtype=np.uint64
    )
    for origin, (key, label) in recent.items():
        if origin in known:
            continue
        try:
            data = store.get(DATA_LAKE, key)
            photo = describe_photo(Path(key), label, data)
        except (ObjectNotFoundError, PhotoError):
            continue
        if not _resembles(photo, learnt):
            found.append(Judged(photo.sha256, label, data, True, prediction_of(origin)))
    return list({each.sha256: each for each in found}.values())


def golden_photos(store: ObjectStore, comparison: Comparison | None, most_a_class: int) -> list[Golden]:
    """The golden photos: those uploaded as such, else the test photos that the models classify most confidently.

    Raises:
        ObjectStoreError: The store does not respond.
    """
    given = [
        Golden(found.key, label_of(found.key.split("/")[1]), store.get(DATA_LAKE, found.key))
        for found in store.list_objects(DATA_LAKE, f"{GOLDEN}/")
        if found.key.count("/") == 2
    ]
    if given or comparison is None:
        return given
    surest: dict[str, list[tuple[float, Golden]]] = {}
    for index, photo in enumerate(comparison.photos):
        champion = comparison.champion
        known_before = champion is None or champion.labels[index] == photo.label
        if known_before and comparison.candidate.labels[index] == photo.label and not photo.recent:
            golden = Golden(photo.sha256[:12], photo.label, photo.data)
            surest.setdefault(photo.label, []).append((comparison.candidate.confidences[index], golden))
    chosen = (sorted(found, key=lambda each: -each[0])[:most_a_class] for found in surest.values())
    return [golden for found in chosen for _, golden in found]


def _resembles(photo: Photo, hashes: npt.NDArray[np.uint64]) -> bool:
    return bool((np.bitwise_count(hashes ^ np.uint64(photo.perceptual_hash)) <= NEAR_BITS).any())
