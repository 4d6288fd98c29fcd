"""Which photos are most worth a person's look: where the model is unsure, lost, or of two minds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from dandelion.domain import Labeller, StoredPrediction

Reason = Literal["disputed", "unlike", "unsure"]
UNSURE = 0.8
# Added to the uncertainty, which is at most 1: a dispute between two versions shows where one of them is wrong (query
# by committee, Seung 1992), and a photo unlike all others teaches most.
_DISPUTED, _UNLIKE = 2.0, 1.0


class QueuedPhoto(msgspec.Struct, frozen=True, kw_only=True):
    """A photo that waits for its truth.

    Attributes:
        prediction: What was answered.
        other_label: What the version on trial says, where one was asked.
        reasons: Why it is worth a look; empty for one of the sample of all photos.
    """

    prediction: StoredPrediction
    other_label: str | None
    reasons: list[Reason]


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a person.

    Attributes:
        photos: Those most worth a look, first the worthiest.
        waiting: How many photos of the last 30 days wait, up to 1000.
        labellers: Who told how many truths in the last 30 days.
    """

    photos: list[QueuedPhoto]
    waiting: int
    labellers: list[Labeller]


def rank(found: Iterable[StoredPrediction], others: Mapping[str, str]) -> list[QueuedPhoto]:
    """Photos, those most worth a look first.

    Args:
        found: Answers whose photos are kept.
        others: Prediction id to what another version says of the photo.
    """
    queue = [
        QueuedPhoto(prediction=each, other_label=other, reasons=_reasons(each, other))
        for each in found
        for other in [others.get(each.prediction_id)]
    ]
    return sorted(queue, key=_worth, reverse=True)


def _reasons(given: StoredPrediction, other: str | None) -> list[Reason]:
    holds: dict[Reason, bool] = {
        "disputed": other is not None and other != given.label,
        "unlike": not given.in_distribution,
        "unsure": given.confidence < UNSURE,
    }
    return [reason for reason, is_so in holds.items() if is_so]


def _worth(photo: QueuedPhoto) -> float:
    uncertainty = 1 - photo.prediction.confidence
    return uncertainty + _DISPUTED * ("disputed" in photo.reasons) + _UNLIKE * ("unlike" in photo.reasons)
