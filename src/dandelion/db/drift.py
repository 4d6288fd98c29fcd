"""Sketches of each process's photos, and the drift reports that are computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils import uuid7

from dandelion.db.tables import drift_reports, first_id, moment_of, sketches


@dataclass(frozen=True, slots=True)
class SavedSketch:
    """A sketch of the photos that one process classified with one model in a period.

    Attributes:
        model_version: The model's version.
        digest: Digest of its package; packages of the version `local` may differ.
        photos: Number of photos.
        sketch: The sketch as JSON.
        saved_at: End of the period, UTC.
    """

    model_version: str
    digest: str
    photos: int
    sketch: Mapping[str, Any]
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class SavedDrift:
    """A drift report over the photos of all processes.

    Attributes:
        model_version: The model's version.
        photos: Number of photos.
        features: The features as JSON.
        at: When it was computed, UTC.
    """

    model_version: str
    photos: int
    features: Sequence[Mapping[str, Any]]
    at: datetime


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


async def add_drift(
    connection: AsyncConnection, *, model_version: str, photos: int, features: Sequence[Mapping[str, Any]]
) -> None:
    """Store a drift report over all processes."""
    row = {"id": str(uuid7()), "model_version": model_version, "photos": photos, "features": list(features)}
    await connection.execute(insert(drift_reports), [row])


async def last_drift(connection: AsyncConnection, since: datetime) -> list[SavedDrift]:
    """The latest drift report of each version since a time, newest first."""
    rows = await connection.execute(
        select(drift_reports).where(drift_reports.c.id >= first_id(since)).order_by(drift_reports.c.id.desc())
    )
    found: dict[str, SavedDrift] = {}
    for row in rows:
        saved = SavedDrift(row.model_version, row.photos, row.features, moment_of(row.id))
        found.setdefault(row.model_version, saved)
    return list(found.values())
