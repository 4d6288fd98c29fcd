"""The outcomes of retrainings, backups and releases, which short-lived flows write into the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dandelion.db.tables import audit_log, releases

RETRAIN = "retrain"
BACKUP = "backup"
# Values of `outcome` in a row's detail; a retraining that rejects its candidate has succeeded.
SUCCEEDED = "succeeded"
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RunTally:
    """How many runs of an action had the same outcome and decision, and when the last of them ended, UTC.

    The decision is that of a retraining; it is empty if there was none.
    """

    action: str
    outcome: str
    decision: str
    runs: int
    last_at: datetime


async def tally(connection: AsyncConnection) -> list[RunTally]:
    """All runs that ended, counted by outcome."""
    outcome = audit_log.c.detail["outcome"].as_string()
    decision = audit_log.c.detail["decision"].as_string()
    columns = (audit_log.c.action, outcome, decision, func.count(), func.max(audit_log.c.created_at))
    query = select(*columns).where(audit_log.c.action.in_([RETRAIN, BACKUP]))
    rows = await connection.execute(query.group_by(audit_log.c.action, outcome, decision))
    return [
        RunTally(action, outcome or "", decision or "", runs, last_at)
        for action, outcome, decision, runs, last_at in rows
        if outcome is not None
    ]


async def last_seconds(connection: AsyncConnection, action: str) -> float | None:
    """Duration of the last run of an action; None if no run ended or its row has no duration."""
    query = select(audit_log.c.detail).where(audit_log.c.action == action).order_by(audit_log.c.id.desc()).limit(1)
    detail = await connection.scalar(query)
    seconds = (detail or {}).get("seconds")
    return float(seconds) if isinstance(seconds, int | float) else None


async def releases_by_state(connection: AsyncConnection) -> dict[str, int]:
    """State to number of releases."""
    rows = await connection.execute(select(releases.c.state, func.count()).group_by(releases.c.state))
    return {str(state): int(count) for state, count in rows}
