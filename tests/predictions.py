"""Predictions for the tests, as the API would have made them."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils import uuid7

from dandelion.db.tables import predictions
from dandelion.domain import JournalEntry, ModelRef, Prediction


def make_prediction(
    identity: str = "", *, label: str = "grass", confidence: float = 0.8, is_known: bool = True, version: str = "1"
) -> Prediction:
    """An answer of one of two classes; without an id, of now."""
    other = "dandelion" if label == "grass" else "grass"
    return Prediction(
        prediction_id=identity or str(uuid7()),
        label=label,
        confidence=confidence,
        probabilities={label: confidence, other: 1 - confidence},
        in_distribution=is_known,
        model=ModelRef(name="dandelion", version=version),
        duration_ms=1.5,
    )


def make_entry(given: Prediction | None = None, *, client: str | None = None) -> JournalEntry:
    """What the journal keeps of an answer; without one, of some answer of now."""
    return JournalEntry(prediction=given or make_prediction(), track="stable", client=client)


async def count_predictions(connection: AsyncConnection) -> int:
    """How many predictions the database holds."""
    return int(await connection.scalar(select(func.count()).select_from(predictions)) or 0)
