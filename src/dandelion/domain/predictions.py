"""What a model says of photos, and how it is stored."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

# Characters that a class's name may have: predictions have a column of that width.
LABEL_LENGTH = 100


class ModelRef(msgspec.Struct, frozen=True, kw_only=True):
    """Which model answered.

    Attributes:
        name: Registered name in MLflow.
        version: Version in the registry; "starter" or "local" for a package that came from no registry.
        alias: The alias that led to it, if any.
    """

    name: str
    version: str
    alias: str | None = None


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One photo's answer.

    Attributes:
        prediction_id: UUIDv7, so that ids sort by time.
        label: The class with the highest probability.
        confidence: That probability, calibrated, in [0, 1].
        probabilities: Class to probability; sums to 1.
        in_distribution: False when the photo resembles nothing the model was trained on.
        model: Which model answered.
        duration_ms: From the photo's arrival to its answer, milliseconds.
    """

    prediction_id: str
    label: str
    confidence: float
    probabilities: dict[str, float]
    in_distribution: bool
    model: ModelRef
    duration_ms: float


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What one version says of a photo.

    Attributes:
        model: Which.
        label: The class with the highest probability.
        confidence: That probability.
        probabilities: Class to probability.
        in_distribution: False when the photo resembles nothing that the version was trained on.
    """

    model: ModelRef
    label: str
    confidence: float
    probabilities: dict[str, float]
    in_distribution: bool


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction as it is kept.

    Attributes:
        prediction: The answer that was given.
        track: Release track of the process that gave it.
        client: Keyed hash of who asked, if that is kept.
    """

    prediction: Prediction
    track: str
    client: str | None = None


class StoredPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction from the history.

    Attributes:
        prediction_id: Its UUIDv7.
        created_at: When it was made, UTC.
        label: The class that was given.
        confidence: Its probability.
        probabilities: Class to probability.
        in_distribution: False when the photo resembled nothing known.
        model_name: Registered name of the model that answered.
        model_version: Its version.
        track: Release track that answered.
        duration_ms: How long it took.
        photo_key: Where its photo lies in the bucket `data-lake`, if it is kept.
        true_label: The true label, once somebody gave it.
        verdict: `right` or `wrong`, once the label is known.
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
    """Some of the history, newest first.

    Attributes:
        predictions: At most as many as were asked for.
        next: What to send as `cursor` for the page after this one; none at the end.
    """

    predictions: list[StoredPrediction]
    next: str | None
