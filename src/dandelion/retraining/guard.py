"""Guards of a retraining: one at a time, a cooldown, a daily budget, and a heartbeat that reveals killed runs.

Every function raises `DatabaseError` if the database does not respond.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dandelion.concurrency.patience import JOB_PATIENCE_SECONDS
from dandelion.db import retrainings, transact
from dandelion.db.retrainings import RetrainingRecord
from dandelion.db.session import open_database
from dandelion.errors import DatabaseError, RowRefusedError
from dandelion.orchestration.retrainings import RetrainingRequest
from dandelion.settings import Settings

Result = TypeVar("Result")

BEAT_SECONDS = 20.0

log = structlog.get_logger(__name__)


def with_database(settings: Settings, work: Callable[[AsyncEngine], Awaitable[Result]]) -> Result:
    """Run `work` with its own connections in its own event loop, after the tables were upgraded."""

    async def run() -> Result:
        async with open_database(settings) as engine:
            return await work(engine)

    return asyncio.run(run())


def in_transaction(settings: Settings, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """Run `work` in its own transaction."""
    return with_database(settings, lambda engine: transact(engine, work, patience_seconds=JOB_PATIENCE_SECONDS))


def claim(
    settings: Settings, run_id: str, request: RetrainingRequest, is_over: Callable[[str], bool] = lambda _: False
) -> RetrainingRecord | None:
    """Begin the run, or resume the run of that id, a UUID; return None while another one is running.

    `is_over` says whether the run that holds the lock is known to have ended, although its heartbeat is recent.
    """
    holder = in_transaction(settings, retrainings.active)
    if holder is not None and holder.id != run_id and is_over(holder.id):
        in_transaction(
            settings,
            lambda on: retrainings.finish(on, holder.id, state=retrainings.ABANDONED, message="It was killed."),
        )
    try:
        return in_transaction(settings, lambda on: retrainings.claim(on, run_id, str(request)))
    except RowRefusedError:  # another run began at the same moment
        return None


def why_not_now(settings: Settings, request: RetrainingRequest, *, resumes: bool = False) -> str:
    """Why a run must wait: the cooldown is not over, or the daily budget is used up. Empty if it need not wait.

    A forced run never waits. One that `resumes` another counts as a part of that one: only the budget applies. Without
    the budget, a run that is killed each time, for example for lack of memory, would restart for ever.
    """
    if request.force:
        return ""
    limits, now = settings.retraining, datetime.now(UTC)

    async def read(on: AsyncConnection) -> tuple[datetime | None, float]:
        return await retrainings.last_trained(on), await retrainings.busy_seconds(on, now - timedelta(days=1))

    ended, busy = in_transaction(settings, read)
    again = ended + timedelta(hours=limits.cooldown_hours) if ended else now
    if again > now and not resumes:
        return f"The last one ended at {ended:%H:%M} UTC; the next may begin at {again:%Y-%m-%d %H:%M} UTC."
    if busy >= 60 * limits.budget_minutes:
        return (
            f"Retrainings took {busy / 60:.0f} minutes in 24 hours, of {limits.budget_minutes:g} minutes allowed. "
            "To retrain now, run `dandelion retrain --force`."
        )
    return ""


@contextmanager
def heartbeat(settings: Settings, run_id: str) -> Iterator[None]:
    """Record in the database, from a thread, that a run is alive; without it, another run may take over."""
    stop, recorded = threading.Event(), time.monotonic()

    def record() -> None:
        nonlocal recorded
        now = time.monotonic()
        seconds = now - recorded
        try:
            in_transaction(settings, lambda on: retrainings.beat(on, run_id, seconds))
        except DatabaseError as error:
            log.warning("heartbeat_failed", reason=str(error))
        else:
            recorded = now

    def beat() -> None:
        while not stop.wait(BEAT_SECONDS):
            record()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        record()
