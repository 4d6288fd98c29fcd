"""Schema versions: upgrade, downgrade and status, through Alembic and in one process at a time.

Every function raises `DatabaseError` if the database does not respond.
"""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_random

from dandelion.db.engine import database_error, lift_limit
from dandelion.errors import DatabaseError

LOCK = "dandelion-migration"
LOCK_SECONDS = 120

_alembic = threading.Lock()

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """One schema version: its name, what it changes, and whether the database has it."""

    revision: str
    what: str
    applied: bool


async def upgrade(engine: AsyncEngine, target: str = "head", *, lock_seconds: int = LOCK_SECONDS) -> None:
    """Upgrade the schema to `target`; harmless if it is already there. Replicas that start together take turns.

    Args:
        engine: The database.
        target: A revision.
        lock_seconds: How long to wait for a turn, that is for another migration or a restore.

    Raises:
        DatabaseError: The database has a schema of a newer Dandelion, or `target` is unknown.
    """
    await _run(engine, lambda config: command.upgrade(config, target), lock_seconds)


async def downgrade(engine: AsyncEngine, target: str) -> None:
    """Downgrade the schema to `target`: a revision, `-1` for one step, or `base` for an empty database.

    Raises:
        DatabaseError: `target` is unknown.
    """
    await _run(engine, lambda config: command.downgrade(config, target))


async def wait_for(engine: AsyncEngine, *, seconds: float) -> None:
    """Wait up to that time until the database responds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            await _current(engine)
        except DatabaseError as error:
            if time.monotonic() >= deadline:
                raise
            log.info("waiting_for_database", reason=str(error))
            await asyncio.sleep(2)
        else:
            return


async def is_newer(engine: AsyncEngine) -> bool:
    """Whether the database has a schema of a newer Dandelion."""
    current = await _current(engine)
    return current is not None and current not in [script.revision for script in _revisions()]


async def status(engine: AsyncEngine) -> list[Step]:
    """Every schema version, oldest first.

    Raises:
        DatabaseError: The database has a schema of a newer Dandelion.
    """
    current = await _current(engine)
    ordered = _revisions()
    names = [script.revision for script in ordered]
    if current is not None and current not in names:
        raise DatabaseError(
            f"The database has schema {current!r}, which this version does not know.", "Install a newer Dandelion."
        )
    done = names.index(current) + 1 if current is not None else 0
    return [Step(script.revision, (script.doc or "").strip(), n < done) for n, script in enumerate(ordered)]


async def _current(engine: AsyncEngine) -> str | None:
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
    except (SQLAlchemyError, OSError) as error:
        raise database_error(error) from error


def _revisions() -> list[Script]:
    """Oldest first."""
    return list(reversed(list(ScriptDirectory.from_config(_config()).walk_revisions())))


async def _run(engine: AsyncEngine, work: Callable[[Config], None], lock_seconds: int = LOCK_SECONDS) -> None:
    def migrate(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        work(config)

    try:
        async with engine.connect() as connection:
            await lift_limit(connection)  # also for the wait
            async with _turn(connection, lock_seconds), _alone(lock_seconds):
                if connection.dialect.name == "sqlite":
                    await _let_readers_in(str(connection.engine.url.database))
                await connection.run_sync(migrate)
                await connection.commit()
    except CommandError as error:
        raise DatabaseError(
            f"The schema cannot be changed: {error}.", "Check the schema with `dandelion db status`."
        ) from error
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise database_error(error) from error


async def _let_readers_in(database: str) -> None:
    """Switch the file to a write-ahead log, permanently, so that readers and one writer can work at once.

    While another connection reads the file, SQLite refuses the switch at once, whatever the busy timeout. The switch
    uses its own connection in a thread: an interrupted statement holds its lock as long as its error is referenced.
    """

    def switch() -> None:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode=WAL").fetchone()

    async for attempt in AsyncRetrying(
        stop=stop_after_delay(LOCK_SECONDS),
        wait=wait_random(0.02, 0.1),
        retry=retry_if_exception(lambda error: "locked" in str(error)),
        reraise=True,
    ):
        with attempt:
            await asyncio.to_thread(switch)


@asynccontextmanager
async def _turn(connection: AsyncConnection, seconds: int) -> AsyncIterator[None]:
    """Wait for other processes that migrate this database: a lock file for SQLite, a named lock on MySQL."""
    if connection.dialect.name == "sqlite":
        with Path(str(connection.engine.url.database)).with_suffix(".lock").open("w") as file:
            await _until(lambda: _locks(file), seconds)
            yield
        return
    parameters = {"name": LOCK, "seconds": seconds}
    if not await connection.scalar(text("SELECT GET_LOCK(:name, :seconds)"), parameters):
        raise _busy(seconds)
    try:
        yield
    finally:
        with suppress(SQLAlchemyError):  # the server releases the lock when the connection is gone
            await connection.execute(text("SELECT RELEASE_LOCK(:name)"), parameters)


@asynccontextmanager
async def _alone(seconds: int) -> AsyncIterator[None]:
    """Wait for other migrations in this process, of any database: Alembic has global state."""
    await _until(lambda: _alembic.acquire(blocking=False), seconds)
    try:
        yield
    finally:
        _alembic.release()


def _locks(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _until(locks: Callable[[], bool], seconds: int) -> None:
    for _ in range(seconds * 10):
        if locks():
            return
        await asyncio.sleep(0.1)
    raise _busy(seconds)


def _busy(seconds: int) -> DatabaseError:
    return DatabaseError(
        f"Another process has been changing the schema for {seconds} s.", "Wait until it is done, then rerun this."
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["configure_logger"] = False
    return config
