"""Predictions on their way to the database: answered a moment ago, perhaps by another replica than the one asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.db import predictions
from dandelion.db.engine import transact
from dandelion.db.tables import first_id

LOOK_AGAIN_SECONDS = 0.1
# What a batch takes on its way at most, while the database answers.
_TRAVEL_SECONDS = 1.5
_CLOCK_SKEW = timedelta(seconds=1)


async def wait_for_arrival(
    engine: AsyncEngine, ids: Iterable[str], *, ship_seconds: float, patience_seconds: float
) -> None:
    """Wait until each prediction is stored, or was made so long ago that it would be.

    An id tells when it was made, so one that nobody answered lately costs neither time nor a query.

    Args:
        engine: Where they will be.
        ids: UUIDs of version 7.
        ship_seconds: How long whoever answered may keep them before they are shipped.
        patience_seconds: How long to try again while the database does not answer.

    Raises:
        DatabaseError: The database does not answer.
    """
    within = timedelta(seconds=ship_seconds + _TRAVEL_SECONDS)
    missing = set(ids)
    while missing := {each for each in missing if _is_fresh(each, within)}:
        missing -= await _stored(engine, sorted(missing), patience_seconds)
        if missing:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def _stored(engine: AsyncEngine, ids: Sequence[str], patience_seconds: float) -> set[str]:
    return await transact(engine, lambda on: predictions.known(on, ids), patience_seconds=patience_seconds)


def _is_fresh(prediction_id: str, within: timedelta) -> bool:
    now = datetime.now(UTC)
    return first_id(now - within) <= prediction_id < first_id(now + _CLOCK_SKEW)
