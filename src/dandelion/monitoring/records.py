"""Exports metrics from the database to `/metrics`: runs, releases, and drift over all processes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dandelion.concurrency.patience import REQUEST_PATIENCE_SECONDS
from dandelion.db import drift, runs, transact
from dandelion.errors import DandelionError
from dandelion.telemetry import instruments

# Drift over all processes that is older than this is not exported.
MERGED_FOR = timedelta(hours=24)

log = structlog.get_logger(__name__)


async def export_records(engine: AsyncEngine) -> None:
    """Read the records of short-lived processes, which end before Prometheus can scrape them.

    While the database is down, the last values stay.
    """
    try:
        await transact(engine, _read, patience_seconds=REQUEST_PATIENCE_SECONDS)
    except DandelionError as error:
        log.debug("records_unknown", reason=str(error))


async def _read(connection: AsyncConnection) -> None:
    found = await runs.tally(connection)
    retrainings = [each for each in found if each.action == runs.RETRAIN]
    backups = [each for each in found if each.action == runs.BACKUP]
    counts: dict[tuple[str, ...], float] = {(each.outcome, each.decision): each.runs for each in retrainings}
    # Start at 0, so that the first failure is an increase.
    instruments.RETRAINING_RUNS.tell({(runs.SUCCEEDED, ""): 0, (runs.FAILED, ""): 0} | counts)
    instruments.RETRAINING_LAST.tell(_last(retrainings))
    instruments.RETRAINING_LAST_SUCCESS.tell(_success(retrainings))
    seconds = await runs.last_seconds(connection, runs.RETRAIN)
    instruments.RETRAINING_SECONDS.tell({} if seconds is None else {(): seconds})
    counts = {(each.outcome,): each.runs for each in backups}
    instruments.BACKUP_RUNS.tell({(runs.SUCCEEDED,): 0, (runs.FAILED,): 0} | counts)
    instruments.BACKUP_LAST_SUCCESS.tell(_success(backups))
    instruments.RELEASES.tell({(state,): count for state, count in (await runs.releases_by_state(connection)).items()})
    found_drift = await drift.last_drift(connection, datetime.now(UTC) - MERGED_FOR)
    instruments.DRIFT_MERGED_AT.tell({(): found_drift[0].at.timestamp()} if found_drift else {})
    instruments.DRIFT_MERGED.tell(
        {(each.feature, merged.version): each.score for merged in found_drift for each in merged.features}
    )


def _last(found: list[runs.RunTally]) -> dict[tuple[str, ...], float]:
    latest: dict[tuple[str, ...], float] = {}
    for each in found:
        latest[each.outcome,] = max(latest.get((each.outcome,), 0.0), each.last_at.timestamp())
    return latest


def _success(found: list[runs.RunTally]) -> dict[tuple[str, ...], float]:
    last = _last(found).get((runs.SUCCEEDED,))
    return {} if last is None else {(): last}
