"""Sketches of each process's photos, and the drift reports that are computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils import uuid7

from dandelion.db.tables import drift_reports, first_id, moment_of, sketches
from dandelion.domain import FeatureDrift, MergedDrift


@dataclass(frozen=True, slots=True)
class SavedSketch:
    """A sketch, as JSON, of the photos that one process classified with one model in a period.

    The digest is that of the model's package, since packages of the version `local` may differ. The period ended at
    `saved_at`, UTC.
    """

    model_version: str
    digest: str
    photos: int
    sketch: Mapping[str, Any]
    saved_at: datetime


async def add_sketches(connection: AsyncConnection, saved: Sequence[SavedSketch]) -> None:
    """Store sketches, with the current time."""
    columns = ("model_version", "digest", "photos", "sketch")
    rows = [{"id": str(uuid7()), **{name: getattr(each, name) for name in columns}} for each in saved]
    await connection.execute(insert(sketches), rows)


async def sketches_since(connection: AsyncConnection, since: datetime) -> list[SavedSketch]:
    """Sketches saved since a time, oldest first."""
    rows = await connection.execute(select(sketches).where(sketches.c.id >= first_id(since)).order_by(sketches.c.id))
    return [SavedSketch(row.model_version, row.digest, row.photos, row.sketch, moment_of(row.id)) for row in rows]


async def prune(connection: AsyncConnection, older_than: datetime) -> None:
    """Delete sketches and drift reports from before a time."""
    for table in (sketches, drift_reports):
        await connection.execute(delete(table).where(table.c.id < first_id(older_than)))


async def add_drift(connection: AsyncConnection, found: MergedDrift) -> None:
    """Store a drift report over all processes, with the current time."""
    features = msgspec.to_builtins(found.features)
    row = {"id": str(uuid7()), "model_version": found.version, "photos": found.photos, "features": features}
    await connection.execute(insert(drift_reports), [row])


async def last_drift(connection: AsyncConnection, since: datetime) -> list[MergedDrift]:
    """The latest drift report of each version since a time, newest first."""
    rows = await connection.execute(
        select(drift_reports).where(drift_reports.c.id >= first_id(since)).order_by(drift_reports.c.id.desc())
    )
    latest: dict[str, Any] = {}
    for row in rows:
        latest.setdefault(row.model_version, row)
    return [
        MergedDrift(
            version=version,
            at=moment_of(row.id),
            photos=row.photos,
            features=msgspec.convert(row.features, list[FeatureDrift]),
        )
        for version, row in latest.items()
    ]
