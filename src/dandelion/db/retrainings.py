"""Retrainings: one runs at a time, and its progress outlives its process."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from sqlalchemy import Executable, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.db.tables import retrainings

RUNNING = "running"
ABANDONED = "abandoned"
FAILED = "failed"
# A run sends a heartbeat every 20 s; one without a heartbeat for so long was killed.
SILENCE = timedelta(seconds=120)


@dataclass(frozen=True, slots=True)
class RetrainingRecord:
    """One run: its state or outcome, the digest of the dataset version that it froze, and the version it registered."""

    id: str
    state: str
    dataset: str | None
    version: str | None


_RECORDS = select(*(retrainings.c[field.name] for field in fields(RetrainingRecord)))


async def claim(connection: AsyncConnection, run_id: str, asked: str) -> RetrainingRecord | None:
    """Start a run, or resume the one of that id; None if another one is running.

    A killed run leaves an active row behind, which is marked as abandoned here. If two runs start at once, the unique
    key on `active` refuses one of them, as `RowRefusedError` at the end of the transaction.
    """
    table, now = retrainings.c, datetime.now(UTC)
    await connection.execute(
        update(retrainings)
        .where(table.active == 1, table.id != run_id, table.heartbeat_at < now - SILENCE)
        .values(active=None, state=ABANDONED, ended_at=table.heartbeat_at)
    )
    if await connection.scalar(select(func.count()).where(table.active == 1, table.id != run_id)):
        return None
    begun = {"active": 1, "state": RUNNING, "message": None, "heartbeat_at": now, "ended_at": None}
    if await find(connection, run_id) is None:
        row = {"id": run_id, "asked": asked, "started_at": now, "busy_seconds": 0.0, **begun}
        await connection.execute(insert(retrainings).values(**row))
    else:
        await connection.execute(update(retrainings).where(table.id == run_id).values(**begun))
    return await find(connection, run_id)


async def find(connection: AsyncConnection, run_id: str) -> RetrainingRecord | None:
    """One run, or None."""
    return await _find(connection, _RECORDS.where(retrainings.c.id == run_id))


async def active(connection: AsyncConnection) -> RetrainingRecord | None:
    """The current run, or None."""
    silent = datetime.now(UTC) - SILENCE
    return await _find(connection, _RECORDS.where(retrainings.c.active == 1, retrainings.c.heartbeat_at >= silent))


async def beat(connection: AsyncConnection, run_id: str, busy_seconds: float) -> bool:
    """Record a heartbeat and the seconds worked since the last one; return whether the run still holds the lock."""
    table = retrainings.c
    done = await connection.execute(
        update(retrainings)
        .where(table.id == run_id, table.active == 1)
        .values(heartbeat_at=datetime.now(UTC), busy_seconds=table.busy_seconds + busy_seconds)
    )
    return bool(done.rowcount)


async def note(
    connection: AsyncConnection, run_id: str, *, dataset: str | None = None, version: str | None = None
) -> None:
    """Record the dataset or the version of a run."""
    values = {name: value for name, value in {"dataset": dataset, "version": version}.items() if value is not None}
    await connection.execute(update(retrainings).where(retrainings.c.id == run_id).values(**values))


async def finish(connection: AsyncConnection, run_id: str, *, state: str, message: str) -> None:
    """Record the end of a run and release the lock."""
    values = {"active": None, "state": state, "message": message, "ended_at": datetime.now(UTC)}
    await connection.execute(update(retrainings).where(retrainings.c.id == run_id).values(**values))


async def unfinished(connection: AsyncConnection, since: datetime) -> RetrainingRecord | None:
    """The latest run since a time, if it failed or was killed after it had frozen its photos."""
    table = retrainings.c
    ended = _RECORDS.where(table.started_at >= since, table.active.is_(None), table.dataset.is_not(None))
    latest = await _find(connection, ended.order_by(table.started_at.desc()).limit(1))
    return latest if latest is not None and latest.state in {FAILED, ABANDONED} else None


async def last_trained(connection: AsyncConnection) -> datetime | None:
    """When the last run ended that registered a version and did not fail."""
    table = retrainings.c
    query = select(func.max(table.ended_at)).where(
        table.version.is_not(None), table.active.is_(None), table.state.not_in([FAILED, ABANDONED])
    )
    found: datetime | None = await connection.scalar(query)
    return found


async def busy_seconds(connection: AsyncConnection, since: datetime) -> float:
    """The total working time of runs that started since a time."""
    query = select(func.sum(retrainings.c.busy_seconds)).where(retrainings.c.started_at >= since)
    return float(await connection.scalar(query) or 0.0)


async def _find(connection: AsyncConnection, query: Executable) -> RetrainingRecord | None:
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else RetrainingRecord(*row)
