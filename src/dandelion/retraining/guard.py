"""One retraining at a time, not too often, not for too long, and none forgotten that was killed half-way."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dandelion.db import create_engine, retrainings, transact
from dandelion.db.retrainings import Retraining
from dandelion.errors import DatabaseError, RowRefusedError
from dandelion.retraining.request import RetrainingRequest
from dandelion.settings import Settings

Result = TypeVar("Result")

BEAT_SECONDS = 20.0
PATIENCE_SECONDS = 30.0

log = structlog.get_logger(__name__)


def with_database(settings: Settings, work: Callable[[AsyncEngine], Awaitable[Result]]) -> Result:
    """Run `work` with connections of its own, in a loop of its own; the tables are brought up to date before.

    Raises:
        DatabaseError: The database does not answer.
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
    """Run `work` in one transaction of its own.

    Raises:
        DatabaseError: The database does not answer.
    """
    return with_database(settings, lambda engine: transact(engine, work, patience_seconds=PATIENCE_SECONDS))


def claim(
    settings: Settings, run_id: str, asked: RetrainingRequest, is_over: Callable[[str], bool] = lambda _: False
) -> Retraining | None:
    """Begin the run, or go on with one of that id; None while another one runs.

    Args:
        settings: Where the database is.
        run_id: A UUID.
        asked: Why it runs.
        is_over: Whether a run that holds the lock is known to have been killed, though it told of itself just before.

    Raises:
        DatabaseError: The database does not answer.
    """
    holder = in_transaction(settings, retrainings.active)
    if holder is not None and holder.id != run_id and is_over(holder.id):
        in_transaction(
            settings,
            lambda on: retrainings.finish(on, holder.id, state=retrainings.ABANDONED, message="It was killed."),
        )
    try:
        return in_transaction(settings, lambda on: retrainings.claim(on, run_id, str(asked)))
    except RowRefusedError:  # another one began in the same moment
        return None


def why_not_now(settings: Settings, asked: RetrainingRequest, *, goes_on: bool = False) -> str:
    """Why a run must wait that nobody insists on: one ended lately, or the day's minutes are used up; else nothing.

    Args:
        settings: How long and how much.
        asked: Whether somebody insists.
        goes_on: It takes up what another one left, which is part of that one: only the minutes count. Without them,
            one that is killed each time, for want of memory say, would be begun again for ever.

    Raises:
        DatabaseError: The database does not answer.
    """
    if asked.force:
        return ""
    limits, now = settings.retraining, datetime.now(UTC)

    async def look(on: AsyncConnection) -> tuple[datetime | None, float]:
        return await retrainings.last_trained(on), await retrainings.busy_seconds(on, now - timedelta(days=1))

    ended, busy = in_transaction(settings, look)
    again = ended + timedelta(hours=limits.cooldown_hours) if ended else now
    if again > now and not goes_on:
        return f"The last one ended at {ended:%H:%M} UTC; the next may begin at {again:%Y-%m-%d %H:%M} UTC."
    if busy >= 60 * limits.budget_minutes:
        return (
            f"Retrainings took {busy / 60:.0f} minutes in 24 hours, of {limits.budget_minutes:g}; "
            "`dandelion retrain --force` does not wait."
        )
    return ""


class Heartbeat:
    """Tells the database, from a thread, that a run lives; without it, another run may take over."""

    def __init__(self, settings: Settings, run_id: str) -> None:
        self._settings, self._run_id = settings, run_id
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._told = time.monotonic()

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._tell()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        seconds = now - self._told
        try:
            in_transaction(self._settings, lambda on: retrainings.beat(on, self._run_id, seconds))
        except DatabaseError as error:
            log.warning("heartbeat_failed", reason=str(error))
        else:
            self._told = now
