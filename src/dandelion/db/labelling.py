"""Photos without a label, and the number of labels by person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.db.predictions import ERASED, is_in_distribution, stored
from dandelion.db.tables import feedback, first_id, predictions
from dandelion.domain import Labeller, StoredPrediction

MAX_COUNTED = 1000


async def unlabelled(connection: AsyncConnection, since: datetime, *, limit: int) -> list[StoredPrediction]:
    """Unlabelled predictions since a time whose photo is stored.

    Up to `limit` that are out of distribution, then up to `limit` others; the least confident of each first.
    """
    found: list[StoredPrediction] = []
    for known in (False, True):
        # Equality first, then the wanted order: one scan along an index, which stops at the limit.
        query = _waiting(since).where(is_in_distribution(known))
        rows = await connection.execute(query.order_by(predictions.c.confidence, predictions.c.id).limit(limit))
        found += [stored(row) for row in rows]
    return found


async def count_unlabelled(connection: AsyncConnection, since: datetime) -> int:
    """The number of such predictions, up to `MAX_COUNTED`."""
    some = _waiting(since).with_only_columns(predictions.c.id).limit(MAX_COUNTED).subquery()
    return int(await connection.scalar(select(func.count()).select_from(some)) or 0)


async def labellers(connection: AsyncConnection, since: datetime) -> Sequence[Labeller]:
    """The number of labels that each person gave since a time, highest first."""
    many = func.count()
    query = select(feedback.c.actor, many).where(feedback.c.created_at >= since).group_by(feedback.c.actor)
    rows = await connection.execute(query.order_by(many.desc(), feedback.c.actor).limit(100))
    return [Labeller(name=actor, count=count) for actor, count in rows]


async def labeller_of(connection: AsyncConnection, prediction_id: str) -> str | None:
    """Who labelled a prediction; None if it is unlabelled."""
    return await connection.scalar(select(feedback.c.actor).where(feedback.c.prediction_id == prediction_id))


def _waiting(since: datetime) -> Select[tuple[object, ...]]:
    table = predictions.c
    return select(predictions).where(
        table.verdict.is_(None), table.id >= first_id(since), table.photo_key.is_not(None), table.photo_key != ERASED
    )
