"""Photos without a label, and who gave how many."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.db.predictions import ERASED, is_in_distribution, stored
from dandelion.db.tables import feedback, first_id, predictions
from dandelion.domain import Labeller, StoredPrediction

MOST_COUNTED = 1000


async def unlabelled(connection: AsyncConnection, since: datetime, *, limit: int) -> list[StoredPrediction]:
    """Answers since a moment whose photo is kept and without a label.

    At most `limit` that resembled nothing known, then at most `limit` that did; the least sure of each first.
    """
    found: list[StoredPrediction] = []
    for known in (False, True):
        # Equal values first, then the order that is wanted: one walk along an index, which stops at the limit.
        query = _waiting(since).where(is_in_distribution(known))
        rows = await connection.execute(query.order_by(predictions.c.confidence, predictions.c.id).limit(limit))
        found += [stored(row) for row in rows]
    return found


async def count_unlabelled(connection: AsyncConnection, since: datetime) -> int:
    """How many there are, up to `MOST_COUNTED`."""
    some = _waiting(since).with_only_columns(predictions.c.id).limit(MOST_COUNTED).subquery()
    return int(await connection.scalar(select(func.count()).select_from(some)) or 0)


async def labellers(connection: AsyncConnection, since: datetime) -> Sequence[Labeller]:
    """Who gave how many labels since a moment, the busiest first."""
    many = func.count()
    query = select(feedback.c.actor, many).where(feedback.c.created_at >= since).group_by(feedback.c.actor)
    rows = await connection.execute(query.order_by(many.desc(), feedback.c.actor).limit(100))
    return [Labeller(name=actor, count=count) for actor, count in rows]


async def teller(connection: AsyncConnection, prediction_id: str) -> str | None:
    """Who labelled a prediction, if anybody did."""
    return await connection.scalar(select(feedback.c.actor).where(feedback.c.prediction_id == prediction_id))


def _waiting(since: datetime) -> Select[tuple[object, ...]]:
    table = predictions.c
    return select(predictions).where(
        table.verdict.is_(None), table.id >= first_id(since), table.photo_key.is_not(None), table.photo_key != ERASED
    )
