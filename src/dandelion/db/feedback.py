"""Feedback: the labels that people give predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Integer, delete, func, insert, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.db import audit
from dandelion.db.predictions import ERASED
from dandelion.db.tables import feedback, predictions
from dandelion.domain import CALIBRATION_BINS, Feedback, Labeller
from dandelion.errors import DandelionError, FeedbackError, PredictionNotFoundError

CLOCK_SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class BinTally:
    """The labels of one model version's predictions in one of `CALIBRATION_BINS` equal bins of confidence.

    Attributes:
        version: The model version.
        labelled: Number of labelled predictions.
        right: How many of them were right.
        confidence: Sum of the confidences.
    """

    version: str
    labelled: int
    right: int
    confidence: float


async def give(connection: AsyncConnection, labelled: Feedback, *, actor: str) -> bool:
    """Store the label of a prediction and return whether the prediction was right.

    A second label replaces the first; the audit log retains both.

    Raises:
        PredictionNotFoundError: No such prediction is stored.
        FeedbackError: The model of the prediction has no such class, or the label's time is in the future.
    """
    (outcome,) = await give_all(connection, [labelled], actor=actor)
    if isinstance(outcome, DandelionError):
        raise outcome
    return outcome


async def give_all(
    connection: AsyncConnection, labelled: Sequence[Feedback], *, actor: str
) -> list[bool | DandelionError]:
    """Store some hundred labels in a few statements; an invalid one does not affect the others."""
    ids = sorted({each.prediction_id for each in labelled})
    # Writing first locks the rows on MySQL and the file on SQLite, so that concurrent feedback takes turns.
    these = predictions.c.id.in_(ids)
    await connection.execute(update(predictions).where(these).values(verdict=predictions.c.verdict))
    columns = (predictions.c.id, predictions.c.label, predictions.c.probabilities, predictions.c.model_version)
    found = {row.id: row for row in await connection.execute(select(*columns).where(these))}
    now = datetime.now(UTC)
    outcomes: list[bool | DandelionError] = []
    rows: dict[str, dict[str, object]] = {}  # the last label of each prediction
    accepted: list[Feedback] = []
    for each in labelled:
        prediction = found.get(each.prediction_id)
        if prediction is None:
            outcomes.append(
                PredictionNotFoundError(
                    f"No prediction {each.prediction_id} is stored.",
                    "Check the id; a new prediction is stored within seconds.",
                )
            )
        elif each.label not in prediction.probabilities:
            classes = ", ".join(prediction.probabilities)
            outcomes.append(
                FeedbackError(f"The model of this prediction has no class {each.label!r}.", f"Use one of: {classes}.")
            )
        elif each.at is not None and each.at > now + CLOCK_SKEW:
            outcomes.append(FeedbackError(f"{each.at:%Y-%m-%d %H:%M:%S} UTC is in the future.", "Check the clock."))
        else:
            correct = bool(each.label == prediction.label)
            accepted.append(each)
            outcomes.append(correct)
            rows[each.prediction_id] = {
                "prediction_id": each.prediction_id,
                "label": each.label,
                "correct": correct,
                "model_version": prediction.model_version,
                "actor": actor,
                "created_at": each.at or now,
            }
    if accepted:
        await connection.execute(delete(feedback).where(feedback.c.prediction_id.in_(list(rows))))
        await connection.execute(insert(feedback), list(rows.values()))
        for verdict in (True, False):
            if judged := [identity for identity, row in rows.items() if row["correct"] is verdict]:
                values = {"verdict": "right" if verdict else "wrong"}
                await connection.execute(update(predictions).where(predictions.c.id.in_(judged)).values(**values))
        about = [(each.prediction_id, {"label": each.label}) for each in accepted]
        await audit.record_all(connection, actor=actor, action="feedback", about=about)
    return outcomes


async def withdraw(connection: AsyncConnection, prediction_id: str, *, actor: str) -> None:
    """Remove the label of a prediction; harmless if there is none.

    Raises:
        PredictionNotFoundError: No such prediction is stored.
    """
    this = predictions.c.id == prediction_id
    await connection.execute(update(predictions).where(this).values(verdict=None))
    if await connection.scalar(select(predictions.c.id).where(this)) is None:
        raise PredictionNotFoundError(f"No prediction {prediction_id} is stored.", "Check the id.")
    labelled = await connection.scalar(select(feedback.c.label).where(feedback.c.prediction_id == prediction_id))
    if labelled is not None:
        await connection.execute(delete(feedback).where(feedback.c.prediction_id == prediction_id))
        await audit.record(
            connection, actor=actor, action="feedback withdrawn", subject=prediction_id, detail={"label": labelled}
        )


async def tally(connection: AsyncConnection, since: datetime, version: str) -> tuple[int, int]:
    """The number of labels given to a model version's predictions since a time, and how many of those were right."""
    query = select(func.count(), func.sum(type_coerce(feedback.c.correct, Integer)))
    rows = await connection.execute(query.where(feedback.c.created_at >= since, feedback.c.model_version == version))
    labelled, right = rows.one()
    return labelled, int(right or 0)


async def tally_bins(connection: AsyncConnection, since: datetime) -> list[BinTally]:
    """Labels given since a time, by model version and bin of confidence."""
    right = func.sum(type_coerce(feedback.c.correct, Integer))
    # round(x - 0.5) stands in for floor(x), which not every SQLite has; a confidence of 1 belongs to the last bin.
    bin_ = func.round(predictions.c.confidence * (CALIBRATION_BINS - 1e-6) - 0.5)
    columns = (feedback.c.model_version, func.count(), right, func.sum(predictions.c.confidence))
    query = select(*columns).join(predictions, predictions.c.id == feedback.c.prediction_id)
    rows = await connection.execute(
        query.where(feedback.c.created_at >= since).group_by(feedback.c.model_version, bin_)
    )
    return [BinTally(version, labelled, int(correct), float(sure)) for version, labelled, correct, sure in rows]


async def labellers(connection: AsyncConnection, since: datetime) -> list[Labeller]:
    """The number of labels that each person gave since a time, highest first."""
    many = func.count()
    query = select(feedback.c.actor, many).where(feedback.c.created_at >= since).group_by(feedback.c.actor)
    rows = await connection.execute(query.order_by(many.desc(), feedback.c.actor).limit(100))
    return [Labeller(name=actor, count=count) for actor, count in rows]


async def labeller_of(connection: AsyncConnection, prediction_id: str) -> str | None:
    """Who labelled a prediction; None if it is unlabelled."""
    return await connection.scalar(select(feedback.c.actor).where(feedback.c.prediction_id == prediction_id))


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo by its key in the bucket `data-lake`, with its true label."""

    prediction_id: str
    label: str
    photo_key: str


async def labelled_photos(
    connection: AsyncConnection, *, after: str | None, limit: int, since: datetime | None = None
) -> list[LabelledPhoto]:
    """Stored photos that have a label, in the order of their ids, or those whose label was given since a time.

    `after` is the last id of the previous call.
    """
    key = predictions.c.photo_key
    query = (
        select(feedback.c.prediction_id, feedback.c.label, key)
        .join(predictions, predictions.c.id == feedback.c.prediction_id)
        .where(key.is_not(None), key != ERASED)
    )
    if after is not None:
        query = query.where(feedback.c.prediction_id > after)
    if since is not None:
        query = query.where(feedback.c.created_at >= since)
    rows = await connection.execute(query.order_by(feedback.c.prediction_id).limit(limit))
    return [LabelledPhoto(*row) for row in rows]
