"""Guards of a retraining: one at a time, a cooldown, a daily budget, and a heartbeat that reveals killed runs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dandelion.concurrency.patience import JOB_PATIENCE_SECONDS
from dandelion.db import create_engine, retrainings, transact
from dandelion.db.retrainings import RetrainingRecord
from dandelion.errors import DatabaseError, RowRefusedError
from dandelion.retraining.request import RetrainingRequest
from dandelion.settings import Settings

Result = TypeVar("Result")

BEAT_SECONDS = 20.0

log = structlog.get_logger(__name__)


def with_database(settings: Settings, work: Callable[[AsyncEngine], Awaitable[Result]]) -> Result:
    """Run `work` with its own connections in its own event loop, after the tables were upgraded.

    Raises:
        DatabaseError: The database does not respond.
    """

    async def run() -> Result:
        engine = create_engine(settings)
        try:
            if settings.database.auto_upgrade:
                from dandelion.db.migrate import upgrade

                await upgrade(engine)
            return await work(engine)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def in_transaction(settings: Settings, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """Run `work` in its own transaction.

    Raises:
        DatabaseError: The database does not respond.
    """
    return with_database(settings, lambda engine: transact(engine, work, patience_seconds=JOB_PATIENCE_SECONDS))


def claim(
    settings: Settings, run_id: str, request: RetrainingRequest, is_over: Callable[[str], bool] = lambda _: False
) -> RetrainingRecord | None:
    """Begin the run, or resume the run of that id; return None while another one is running.

    Args:
        settings: Where the database is.
        run_id: A UUID.
        request: Why it runs.
        is_over: Whether the run that holds the lock is known to have ended, although its heartbeat is recent.

    Raises:
        DatabaseError: The database does not respond.
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

    Args:
        settings: The cooldown and the budget.
        request: A forced run never waits.
        resumes: Whether it resumes another run, and so counts as a part of that one: only the budget applies. Without
            the budget, a run that is killed each time, for example for lack of memory, would restart for ever.

    Raises:
        DatabaseError: The database does not respond.
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


class Heartbeat:
    """Records in the database, from a thread, that a run is alive; without it, another run may take over."""

    def __init__(self, settings: Settings, run_id: str) -> None:
        self._settings, self._run_id = settings, run_id
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._recorded = time.monotonic()

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._record()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            self._record()

    def _record(self) -> None:
        now = time.monotonic()
        seconds = now - self._recorded
        try:
            in_transaction(self._settings, lambda on: retrainings.beat(on, self._run_id, seconds))
        except DatabaseError as error:
            log.warning("heartbeat_failed", reason=str(error))
        else:
            self._recorded = now
