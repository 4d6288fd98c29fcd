"""Labels that people give, and photos that wait for one."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from dandelion.domain.predictions import StoredPrediction

# Why a photo is worth labelling.
Reason = Literal["disputed", "out_of_distribution", "unsure"]


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """The true label of a predicted photo.

    Attributes:
        prediction_id: The prediction that it labels.
        label: The true class.
        at: When it was given, UTC; now by default.
    """

    prediction_id: str
    label: str
    at: datetime | None = None


class Labeller(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who gave labels.

    Attributes:
        name: Name in the audit log.
        count: Number of labels.
    """

    name: str
    count: int


class QueuedPhoto(msgspec.Struct, frozen=True, kw_only=True):
    """A photo that waits for a label.

    Attributes:
        prediction: The stored prediction.
        other_label: The challenger's prediction, if there is one.
        reasons: Why it is worth labelling; empty for a photo of the random sample.
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
    """A line of a label file that was refused.

    Attributes:
        line: Line number, from 1.
        reason: What is wrong with it.
    """

    line: int
    reason: str


class BulkVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a label file.

    Attributes:
        right: Number of predictions that agree with their label.
        wrong: Number of predictions that do not.
        refused: Number of lines that were refused.
        refused_lines: The first refused lines.
    """

    right: int
    wrong: int
    refused: int
    refused_lines: list[RefusedLine]
