"""Predictions, and how they are stored."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

# Maximum characters of a class name: the database column has that width.
LABEL_LENGTH = 100


class ModelRef(msgspec.Struct, frozen=True, kw_only=True):
    """The model behind a prediction.

    Attributes:
        name: Registered name in MLflow.
        version: Version in the registry; "starter" or "local" for a package from outside the registry.
        alias: The alias that selected it, if any.
    """

    name: str
    version: str
    alias: str | None = None


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """The prediction for one photo.

    Attributes:
        prediction_id: UUIDv7, so that ids sort by time.
        label: The class with the highest probability.
        confidence: That probability, calibrated, in [0, 1].
        probabilities: Probability of each class; they sum to 1. A request with `top_k` or `threshold` gets some.
        in_distribution: False if the photo is out of distribution: it resembles no training photo.
        model: The model that made the prediction.
        duration_ms: Time from the photo's arrival to its prediction, milliseconds.
    """

    prediction_id: str
    label: str
    confidence: float
    probabilities: dict[str, float]
    in_distribution: bool
    model: ModelRef
    duration_ms: float


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """One version's opinion on a photo; `Prediction` documents the fields."""

    model: ModelRef
    label: str
    confidence: float
    probabilities: dict[str, float]
    in_distribution: bool


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction in the journal, with its process's release track and the keyed hash of its client, if stored."""

    prediction: Prediction
    track: str
    client: str | None = None


class StoredPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction from the history; `Prediction` documents the other fields.

    Attributes:
        created_at: When it was made, UTC.
        track: Release track of the process that made it.
        photo_key: Key of its photo in the bucket `data-lake`, if the photo is stored.
        true_label: The true label, once somebody has given it.
        verdict: `right` or `wrong`, once there is a true label.
    """

    prediction_id: str
    created_at: datetime
    label: str
    confidence: float
    probabilities: dict[str, float]
    in_distribution: bool
    model_name: str
    model_version: str
    track: str
    duration_ms: float
    photo_key: str | None = None
    true_label: str | None = None
    verdict: Literal["right", "wrong"] | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the history, newest first; `next` is the `cursor` of the next page, and none on the last one."""

    predictions: list[StoredPrediction]
    next: str | None
