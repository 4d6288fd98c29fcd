"""Waiting for predictions on their way to the database, perhaps from another replica."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.db import predictions
from dandelion.db.engine import transact
from dandelion.db.tables import first_id

POLL_SECONDS = 0.1
# Maximum time for a batch to reach the database while it responds.
_TRAVEL_SECONDS = 1.5
_CLOCK_SKEW = timedelta(seconds=1)


async def wait_for_arrival(
    engine: AsyncEngine, ids: Iterable[str], *, ship_seconds: float, patience_seconds: float
) -> None:
    """Wait until each prediction is stored, or is so old that it would be stored by now.

    An id contains its time of creation, so an old id costs neither time nor a query.

    Args:
        engine: The database.
        ids: UUIDs of version 7.
        ship_seconds: How long a server may hold predictions before it ships them.
        patience_seconds: How long to retry while the database does not respond.

    Raises:
        DatabaseError: The database does not respond.
    """
    within = timedelta(seconds=ship_seconds + _TRAVEL_SECONDS)
    missing = set(ids)
    while missing := {each for each in missing if _is_fresh(each, within)}:
        ids = sorted(missing)
        missing -= await transact(engine, lambda on: predictions.known(on, ids), patience_seconds=patience_seconds)  # noqa: B023 -- runs here
        if missing:
            await asyncio.sleep(POLL_SECONDS)


def _is_fresh(prediction_id: str, within: timedelta) -> bool:
    now = datetime.now(UTC)
    return first_id(now - within) <= prediction_id < first_id(now + _CLOCK_SKEW)
