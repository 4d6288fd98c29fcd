"""Ranks photos by what a label teaches: disputed by two versions, out of distribution, or of low confidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dandelion.domain import QueuedPhoto, Reason, StoredPrediction

UNSURE = 0.8
# Added to the uncertainty, which is at most 1: a dispute between two versions shows where one of them is wrong (query
# by committee, Seung 1992), and a photo out of distribution teaches most.
_WORTH: dict[Reason, float] = {"disputed": 2.0, "out_of_distribution": 1.0, "unsure": 0.0}


def rank(found: Iterable[StoredPrediction], others: Mapping[str, str]) -> list[QueuedPhoto]:
    """Sort photos, those most worth labelling first.

    Args:
        found: Predictions whose photos are stored.
        others: The challenger's label, by prediction id.
    """
    return sorted((_queued(each, others.get(each.prediction_id)) for each in found), key=_worth, reverse=True)


def _queued(given: StoredPrediction, other: str | None) -> QueuedPhoto:
    holds: dict[Reason, bool] = {
        "disputed": other is not None and other != given.label,
        "out_of_distribution": not given.in_distribution,
        "unsure": given.confidence < UNSURE,
    }
    reasons = [reason for reason, is_so in holds.items() if is_so]
    return QueuedPhoto(prediction=given, other_label=other, reasons=reasons)


def _worth(photo: QueuedPhoto) -> float:
    return 1 - photo.prediction.confidence + sum(_WORTH[reason] for reason in photo.reasons)
