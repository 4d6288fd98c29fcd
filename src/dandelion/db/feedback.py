"""Labels of predictions, as people give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Integer, delete, func, insert, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.db import audit
from dandelion.db.predictions import ERASED
from dandelion.db.tables import feedback, predictions
from dandelion.domain import CALIBRATION_BINS, Feedback
from dandelion.errors import DandelionError, FeedbackError, PredictionNotFoundError

CLOCK_SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Tally:
    """Labels of one model version.

    Attributes:
        version: Which.
        labelled: Number of labels.
        right: How many of them were what the model had answered.
    """

    version: str
    labelled: int
    right: int


@dataclass(frozen=True, slots=True)
class BinTally(Tally):
    """The same of its predictions in one bin of confidence.

    Attributes:
        bin: Of `CALIBRATION_BINS` equal ones, from 0.
        confidence: Sum of their confidences.
    """

    bin: int
    confidence: float


async def give(connection: AsyncConnection, labelled: Feedback, *, actor: str) -> bool:
    """Store the label of a prediction and return whether the answer was right.

    Told twice, the last word counts; the audit log keeps both.

    Raises:
        PredictionNotFoundError: No such prediction is stored.
        FeedbackError: The model that answered has no such class, or the label lies in the future.
    """
    (outcome,) = await give_all(connection, [labelled], actor=actor)
    if isinstance(outcome, DandelionError):
        raise outcome
    return outcome


async def give_all(
    connection: AsyncConnection, labelled: Sequence[Feedback], *, actor: str
) -> list[bool | DandelionError]:
    """The same for some hundred at once, in a handful of statements; what is wrong with one spoils no other."""
    ids = sorted({each.prediction_id for each in labelled})
    # Writing first takes the rows on MySQL and the file on SQLite: of two who tell at once, one waits for the other.
    these = predictions.c.id.in_(ids)
    await connection.execute(update(predictions).where(these).values(verdict=predictions.c.verdict))
    columns = (predictions.c.id, predictions.c.label, predictions.c.probabilities, predictions.c.model_version)
    answered = {row.id: row for row in await connection.execute(select(*columns).where(these))}
    now = datetime.now(UTC)
    outcomes: list[bool | DandelionError] = []
    words: dict[str, dict[str, object]] = {}  # the last one about each
    heard: list[Feedback] = []
    for each in labelled:
        answer = answered.get(each.prediction_id)
        if answer is None:
            outcomes.append(
                PredictionNotFoundError(
                    f"No prediction {each.prediction_id} is stored.",
                    "Check the id; a fresh one is stored within seconds.",
                )
            )
        elif each.label not in answer.probabilities:
            known = ", ".join(answer.probabilities)
            outcomes.append(
                FeedbackError(f"{each.label!r} is no class of the model that answered.", f"It knows {known}.")
            )
        elif each.at is not None and each.at > now + CLOCK_SKEW:
            outcomes.append(FeedbackError(f"{each.at:%Y-%m-%d %H:%M:%S} UTC is in the future.", "Check the clock."))
        else:
            correct = bool(each.label == answer.label)
            heard.append(each)
            outcomes.append(correct)
            words[each.prediction_id] = {
                "prediction_id": each.prediction_id,
                "label": each.label,
                "correct": correct,
                "model_version": answer.model_version,
                "actor": actor,
                "created_at": each.at or now,
            }
    if heard:
        await connection.execute(delete(feedback).where(feedback.c.prediction_id.in_(list(words))))
        await connection.execute(insert(feedback), list(words.values()))
        for verdict in (True, False):
            if judged := [identity for identity, word in words.items() if word["correct"] is verdict]:
                values = {"verdict": "right" if verdict else "wrong"}
                await connection.execute(update(predictions).where(predictions.c.id.in_(judged)).values(**values))
        about = [(each.prediction_id, {"label": each.label}) for each in heard]
        await audit.record_all(connection, actor=actor, action="feedback", about=about)
    return outcomes


async def withdraw(connection: AsyncConnection, prediction_id: str, *, actor: str) -> None:
    """Remove the label of a prediction; harmless when there is none.

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


async def tally(connection: AsyncConnection, since: datetime) -> list[Tally]:
    """Labels since a moment, by model version."""
    right = func.sum(type_coerce(feedback.c.correct, Integer))
    query = select(feedback.c.model_version, func.count(), right).where(feedback.c.created_at >= since)
    rows = await connection.execute(query.group_by(feedback.c.model_version))
    return [Tally(version, labelled, int(correct)) for version, labelled, correct in rows]


async def tally_bins(connection: AsyncConnection, since: datetime) -> list[BinTally]:
    """The same by model version and bin of confidence."""
    right = func.sum(type_coerce(feedback.c.correct, Integer))
    # Rounding what is half less is cutting, and not every SQLite has floor(); certainty belongs to the last bin.
    bin_ = func.round(predictions.c.confidence * (CALIBRATION_BINS - 1e-6) - 0.5)
    columns = (feedback.c.model_version, func.count(), right, bin_, func.sum(predictions.c.confidence))
    query = select(*columns).join(predictions, predictions.c.id == feedback.c.prediction_id)
    rows = await connection.execute(
        query.where(feedback.c.created_at >= since).group_by(feedback.c.model_version, bin_)
    )
    return [
        BinTally(version, labelled, int(correct), int(each), float(sure))
        for version, labelled, correct, each, sure in rows
    ]


@dataclass(frozen=True, slots=True)
class ToldPhoto:
    """A photo whose true class somebody gave.

    Attributes:
        prediction_id: The answer it was about.
        label: The true class.
        photo_key: Where the photo lies in the bucket `data-lake`.
        labelled_at: When it was given, UTC.
    """

    prediction_id: str
    label: str
    photo_key: str
    labelled_at: datetime


async def labelled_photos(
    connection: AsyncConnection, *, after: str | None, limit: int, since: datetime | None = None
) -> list[ToldPhoto]:
    """Photos that are kept and whose label is known, in the order of their ids.

    Args:
        connection: Inside a transaction.
        after: Id of the last one of the turn before.
        limit: Most in one turn.
        since: Only labels given then or later.
    """
    key = predictions.c.photo_key
    query = (
        select(feedback.c.prediction_id, feedback.c.label, key, feedback.c.created_at)
        .join(predictions, predictions.c.id == feedback.c.prediction_id)
        .where(key.is_not(None), key != ERASED)
    )
    if after is not None:
        query = query.where(feedback.c.prediction_id > after)
    if since is not None:
        query = query.where(feedback.c.created_at >= since)
    rows = await connection.execute(query.order_by(feedback.c.prediction_id).limit(limit))
    return [ToldPhoto(*row) for row in rows]
