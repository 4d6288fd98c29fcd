"""The truth about predictions, as people tell it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.db import audit
from dandelion.db.tables import feedback, predictions
from dandelion.domain import Feedback
from dandelion.errors import FeedbackError, PredictionNotFoundError


async def give(connection: AsyncConnection, told: Feedback, *, actor: str) -> bool:
    """Store the truth about a prediction and return whether the answer was right.

    Told twice, the last word counts; the audit log keeps both.

    Raises:
        PredictionNotFoundError: No such prediction is stored.
        FeedbackError: The model that answered has no such class.
    """
    this = predictions.c.id == told.prediction_id
    # Writing first takes the row on MySQL and the file on SQLite: of two who tell at once, one waits for the other.
    await connection.execute(update(predictions).where(this).values(verdict=predictions.c.verdict))
    query = select(predictions.c.label, predictions.c.probabilities, predictions.c.model_version)
    found = (await connection.execute(query.where(this))).first()
    if found is None:
        raise PredictionNotFoundError(
            f"No prediction {told.prediction_id} is stored.", "Check the id; a fresh one is stored within seconds."
        )
    if told.label not in found.probabilities:
        raise FeedbackError(
            f"{told.label!r} is no class of the model that answered.", f"It knows {', '.join(found.probabilities)}."
        )
    correct = bool(told.label == found.label)
    values: dict[str, Any] = {
        "label": told.label,
        "correct": correct,
        "model_version": found.model_version,
        "actor": actor,
        "created_at": datetime.now(UTC),
    }
    same = feedback.c.prediction_id == told.prediction_id
    if await connection.scalar(select(feedback.c.prediction_id).where(same)) is None:
        await connection.execute(insert(feedback), [{"prediction_id": told.prediction_id, **values}])
    else:
        await connection.execute(update(feedback).where(same).values(**values))
    await connection.execute(update(predictions).where(this).values(verdict="right" if correct else "wrong"))
    await audit.record(
        connection, actor=actor, action="feedback", subject=told.prediction_id, detail={"label": told.label}
    )
    return correct
