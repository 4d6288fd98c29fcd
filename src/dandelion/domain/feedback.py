"""Labels that people give, and photos that wait for one."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from dandelion.domain.predictions import StoredPrediction

# Why a photo is worth labelling.
Reason = Literal["disputed", "out_of_distribution", "unsure"]


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """The true label of a predicted photo, given at a time in UTC, or now by default."""

    prediction_id: str
    label: str
    at: datetime | None = None


class Labeller(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who gave labels: the name in the audit log, and the number of labels."""

    name: str
    count: int


class QueuedPhoto(msgspec.Struct, frozen=True, kw_only=True):
    """A photo that waits for a label, with the challenger's label, if there is one, and why it is worth labelling.

    A photo of the random sample has no reason.
    """

    prediction: StoredPrediction
    other_label: str | None
    reasons: list[Reason]


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """Photos that wait for a label.

    Attributes:
        photos: The photos most worth labelling, best first.
        waiting: Number of photos of the last 30 days that wait, up to 1000.
        labellers: Number of labels in the last 30 days, by person.
    """

    photos: list[QueuedPhoto]
    waiting: int
    labellers: list[Labeller]


class RefusedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a label file that was refused: its number, from 1, and what is wrong with it."""

    line: int
    reason: str


class BulkVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """How many labels of a file agree with their prediction, how many do not, and how many lines were refused.

    `refused_lines` holds the first of these lines.
    """

    right: int
    wrong: int
    refused: int
    refused_lines: list[RefusedLine]
