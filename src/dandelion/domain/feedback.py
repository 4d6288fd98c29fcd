"""Labels that people give, and photos that wait for one."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from dandelion.domain.predictions import StoredPrediction

# Why a photo is worth a look.
Reason = Literal["disputed", "out_of_distribution", "unsure"]


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """The true class of a photo that was answered.

    Attributes:
        prediction_id: Which answer.
        label: The true class.
        at: When it was told, UTC; now when left out.
    """

    prediction_id: str
    label: str
    at: datetime | None = None


class Labeller(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who gave labels.

    Attributes:
        name: As in the audit log.
        count: How many.
    """

    name: str
    count: int


class QueuedPhoto(msgspec.Struct, frozen=True, kw_only=True):
    """A photo that waits for a label.

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
        labellers: Who gave how many labels in the last 30 days.
    """

    photos: list[QueuedPhoto]
    waiting: int
    labellers: list[Labeller]


class RefusedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a file of labels that was not kept.

    Attributes:
        line: Its number, from 1.
        reason: What is wrong with it.
    """

    line: int
    reason: str


class BulkVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of labels came to.

    Attributes:
        right: Answers that were right.
        wrong: Answers that were wrong.
        refused: Lines that were not kept.
        refused_lines: The first of them.
    """

    right: int
    wrong: int
    refused: int
    refused_lines: list[RefusedLine]
