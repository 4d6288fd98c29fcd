"""The values that travel between parts: frozen, validated where they enter, free of I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec


class Split(StrEnum):
    """Which part of a dataset a photo belongs to; decided by its content, for ever."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """How a photo becomes the model's input; travels with the model.

    The photo is resized so that the crop window of `height` x `width` covers the central `crop_fraction` of it,
    then centre-cropped.

    Attributes:
        height: Rows of the input, pixels.
        width: Columns of the input, pixels.
        crop_fraction: Share of the resized photo's short side that the crop keeps, in (0, 1].
        interpolation: `bilinear` or `bicubic`.
        mean: Per-channel mean in RGB order, of values scaled to [0, 1].
        std: Per-channel standard deviation in RGB order, of values scaled to [0, 1].
    """

    height: int
    width: int
    crop_fraction: float = 0.95
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


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


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction as it is kept.

    Attributes:
        prediction: The answer that was given.
        track: Release track of the process that gave it.
    """

    prediction: Prediction
    track: str


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
        true_label: The truth, once somebody told it.
        verdict: `right` or `wrong`, once the truth is known.
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


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """The true class of a photo that was answered.

    Attributes:
        prediction_id: Which answer.
        label: The true class.
    """

    prediction_id: str
    label: str


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version as the registry knows it.

    Attributes:
        name: Registered name.
        version: Number as text, as MLflow has it.
        aliases: Names that point at it.
        digest: Digest of its model package; equal digests are equal models.
        created_ms: Milliseconds since the epoch.
        run_id: The training run it came from, if any.
        tags: What training, the gate and releases wrote on it.
    """

    name: str
    version: str
    aliases: tuple[str, ...]
    digest: str
    created_ms: int
    run_id: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
