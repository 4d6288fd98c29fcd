"""Releases: which version replaced which in service, and the outcome."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils import uuid7

from dandelion.db.tables import releases

DEPLOYING = "deploying"
SERVING = "serving"
ROLLED_BACK = "rolled_back"


async def begin(
    connection: AsyncConnection, *, name: str, version: str, previous: str | None, strategy: str, weight: int
) -> str:
    """Record that `version` of the model `name` is about to come into service; return the release's id."""
    row = {
        "id": str(uuid7()),
        "model_name": name,
        "model_version": version,
        "previous_version": previous,
        "strategy": strategy,
        "state": DEPLOYING,
        "weight": weight,
        "started_at": datetime.now(UTC),
        "revision": 0,
    }
    await connection.execute(insert(releases).values(**row))
    return str(row["id"])


async def find_begun(connection: AsyncConnection, name: str, version: str) -> tuple[str, str | None] | None:
    """Id and previous version of a release of `version` that has begun and neither ended nor been rolled back."""
    table = releases.c
    query = select(table.id, table.previous_version).where(
        table.model_name == name, table.model_version == version, table.state == DEPLOYING
    )
    row = (await connection.execute(query.order_by(table.id.desc()).limit(1))).one_or_none()
    return None if row is None else (row.id, row.previous_version)


async def finish(connection: AsyncConnection, release_id: str, *, state: str, reason: str) -> None:
    """Record the outcome of a release."""
    values = {"state": state, "reason": reason, "ended_at": datetime.now(UTC), "revision": releases.c.revision + 1}
    await connection.execute(update(releases).where(releases.c.id == release_id).values(**values))
