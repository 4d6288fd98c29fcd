"""The values that travel between parts: frozen, validated where they enter, free of I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

import msgspec

# What a caller may do; `admin` may do all.
AccessScope = Literal["predict", "feedback", "read", "admin"]
DriftTest = Literal["kolmogorov-smirnov", "chi-square", "hotelling"]
# Why a photo is worth a look.
Reason = Literal["disputed", "unlike", "unsure"]
# Characters that a class's name may have: predictions have a column of that width.
LABEL_LENGTH = 100


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
    """Somebody who told truths.

    Attributes:
        name: As in the audit log.
        count: How many.
    """

    name: str
    count: int


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


class RefusedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a file of truths that was not kept.

    Attributes:
        line: Its number, from 1.
        reason: What is wrong with it.
    """

    line: int
    reason: str


class BulkVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of truths made of the answers.

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


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the API takes a caller for.

    Attributes:
        name: `key:NAME`, `jwt:SUBJECT`, or `anonymous`.
        scopes: What they may do.
        is_asked: Whether the API asks for a key or token at all.
    """

    name: str
    scopes: list[AccessScope]
    is_asked: bool


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of an API key.

    Attributes:
        id: UUIDv7 of its row.
        name: Who or what it is for.
        digest: SHA-256 of its text, hex.
        scopes: What it may do.
        created_at: UTC.
        expires_at: Opens nothing from then on, UTC; None for never.
        revoked_at: Opens nothing since, UTC.
    """

    id: str
    name: str
    digest: str
    scopes: tuple[AccessScope, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def why_over(self, now: float) -> str:
        """Why it opens nothing at `now`, seconds since the epoch; nothing while it does."""
        if self.revoked_at is not None:
            return "is revoked"
        if self.expires_at is not None and self.expires_at.timestamp() <= now:
            return "has expired"
        return ""


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


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the model.

    Attributes:
        version: Its number.
        aliases: Names that point at it: `champion` serves, `challenger` is on trial, `previous` served before.
        digest: Digest of its package; equal digests are equal models.
        made_at: When it was registered, UTC.
        metrics: Figures on the test split, from training.
        tags: What training, the gate and releases wrote on it.
    """

    version: str
    aliases: tuple[str, ...]
    digest: str
    made_at: datetime
    metrics: dict[str, float]
    tags: dict[str, str]


class VersionDetails(Version, frozen=True, kw_only=True):
    """One version with what is longer.

    Attributes:
        card: The model card, Markdown.
        plots: Names of the plots of its training run.
    """

    card: str
    plots: list[str]


class Promoted(msgspec.Struct, frozen=True, kw_only=True):
    """What serves from now on.

    Attributes:
        version: The champion.
        previous: What was champion until now, if anything was; a rollback brings it back.
    """

    version: str
    previous: str | None


class FlowStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a flow's run.

    Attributes:
        name: Which.
        state: `pending`, `running`, `completed`, `skipped`, `failed`, `crashed` or `cancelled`.
        started_at: UTC; None while it waits.
        ended_at: UTC; None while it runs.
        message: What it said last.
        percent: How far it is, where it says so.
    """

    name: str
    state: str
    started_at: datetime | None
    ended_at: datetime | None
    message: str
    percent: float | None = None


class FlowRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a flow.

    Attributes:
        run_id: Prefect's UUID.
        name: Prefect's name for it.
        url: Its page.
        state: `scheduled`, `pending`, `running`, `completed`, `failed`, `crashed`, `cancelled` ...
        outcome: Prefect's name of that state, in which flows say how they ended: `Promoted`, `Rejected` ...
        message: Why it ended so.
        parameters: What it was told.
        created_at: When it was asked for, UTC.
        started_at: UTC; None while it waits.
        ended_at: UTC; None while it runs.
        steps: Those that have begun, oldest first.
    """

    run_id: str
    name: str
    url: str
    state: str
    outcome: str
    message: str
    parameters: dict[str, Any]
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    steps: list[FlowStep]


class DriftFigure(msgspec.Struct, frozen=True, kw_only=True):
    """How far one feature is from training.

    Attributes:
        feature: `brightness`, `classes`, `embedding` ...
        test: Which test it is.
        distance: The largest gap between the two distributions (Kolmogorov-Smirnov), Cohen's w (chi-square), or the
            mean shift in standard deviations an axis (Hotelling's T-square).
        threshold: The distance from which on photos have drifted.
        score: Distance over threshold: from 1 on they have.
        photos: How many live photos it rests on.
    """

    feature: str
    test: DriftTest
    distance: float
    threshold: float
    score: float
    photos: int


class MergedDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Drift of one model over the photos of all processes.

    Attributes:
        version: Model version.
        at: When it was found, UTC.
        photos: How many photos it rests on.
        figures: Feature by feature, the farthest first.
    """

    version: str
    at: datetime
    photos: int
    figures: list[DriftFigure]


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """Whether photos still look like those that the model was trained on.

    Attributes:
        version: The model that this process serves.
        photos: How many of this process's photos the figures rest on; 0 until a window is full.
        figures: Feature by feature, the farthest first; a score of 1 or more has drifted.
        merged: What the hourly watch over all processes found last, model by model.
    """

    version: str
    photos: int
    figures: list[DriftFigure]
    merged: list[MergedDrift]


class AskedRetraining(msgspec.Struct, frozen=True, kw_only=True):
    """A retraining that was asked for.

    Attributes:
        run_id: Prefect's UUID.
        name: Prefect's name for it.
        url: Its page.
        is_new: Whether it was started for this; false when it was there already.
    """

    run_id: str
    name: str
    url: str
    is_new: bool


class Retraining(msgspec.Struct, frozen=True, kw_only=True):
    """One retraining.

    Attributes:
        run_id: Prefect's UUID.
        name: Prefect's name for it.
        url: Its page.
        state: `scheduled`, `pending`, `running`, `completed`, `failed`, `crashed` or `cancelled`.
        started_at: UTC; None while it waits.
        ended_at: UTC; None while it runs.
        reason: Who or what asked for it.
        decision: `promoted`, `rejected`, `stopped` (the photos do not allow it), `skipped` (nothing to do),
            `rolled_back` or `failed`; None while it runs.
        message: Why.
        steps: All seven, in order.
    """

    run_id: str
    name: str
    url: str
    state: str
    started_at: datetime | None
    ended_at: datetime | None
    reason: str
    decision: str | None
    message: str
    steps: list[FlowStep]
