"""Connections: a pooled async engine to MySQL or SQLite, and one way to run a transaction that survives hiccups."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_delay, wait_random_exponential

from dandelion.errors import DatabaseError, RowRefusedError, SettingsError
from dandelion.settings import DatabaseSettings, Settings

Result = TypeVar("Result")

DRIVERS = {"mysql": "mysql+aiomysql", "mariadb": "mysql+aiomysql", "sqlite": "sqlite+aiosqlite"}
EMBEDDED_FILE = "dandelion.db"
# Deadlock, lock wait timeout: the transaction was rolled back as a whole and may be tried again.
_TRANSIENT_MYSQL = {1205, 1213}
_SQLITE_BUSY_MS = 10_000
# Execution option of an engine: longest time for one transaction, seconds.
_LIMIT = "dandelion_limit_seconds"

log = structlog.get_logger(__name__)


def database_url(settings: Settings) -> URL:
    """Where the database is, with the async driver that we use.

    Raises:
        SettingsError: The address cannot be read, or is of a kind that is not supported.
    """
    given = settings.database.url
    if given is None:
        return URL.create(DRIVERS["sqlite"], database=str(settings.home / EMBEDDED_FILE))
    try:
        url = make_url(given.get_secret_value())
    except ArgumentError as error:
        raise SettingsError(
            "DANDELION_DATABASE__URL is no database address.", "Write mysql://user:password@host:3306/mlops_db."
        ) from error
    kind = url.get_backend_name()
    if kind not in DRIVERS:
        raise SettingsError(f"DANDELION_DATABASE__URL is of kind {kind!r}.", "Use mysql:// or sqlite://.")
    password = settings.database.password
    return url.set(drivername=DRIVERS[kind], password=password.get_secret_value() if password else url.password)


def create_engine(settings: Settings) -> AsyncEngine:
    """An engine that checks a connection before it lends it, and that waits for nothing without end.

    Raises:
        SettingsError: The address or the certificates cannot be read.
    """
    url, options = database_url(settings), settings.database
    if url.get_backend_name() == "sqlite":
        if url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(url, pool_pre_ping=False, connect_args={"timeout": _SQLITE_BUSY_MS / 1000})
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        return engine
    return create_async_engine(
        url,
        pool_pre_ping=True,
        pool_size=options.pool_size,
        max_overflow=options.pool_size,
        pool_timeout=options.connect_timeout_seconds,
        pool_recycle=1800,
        isolation_level="READ COMMITTED",
        execution_options={_LIMIT: options.connect_timeout_seconds + options.query_timeout_seconds},
        connect_args={
            "connect_timeout": options.connect_timeout_seconds,
            "charset": "utf8mb4",
            "init_command": _session(options.query_timeout_seconds),
            **(_encrypted(options) if options.tls else {}),
        },
    )


async def transact(
    engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[Result]], *, patience_seconds: float
) -> Result:
    """Run `work` in one transaction; on a lost connection, a deadlock or a busy database run it again from the start.

    Args:
        engine: Where.
        work: Called with a connection inside a transaction; must not have other effects, for it may run again.
        patience_seconds: How long to go on trying; 0 tries once.

    Raises:
        DatabaseError: The database did not answer within the patience, or refused the statement.
    """
    try:
        async for attempt in AsyncRetrying(
            stop=stop_after_delay(patience_seconds),
            wait=wait_random_exponential(multiplier=0.05, max=2.0),
            retry=retry_if_exception(is_transient),
            before_sleep=_log_retry,
            reraise=True,
        ):
            with attempt:
                # The server's own limit on queries does not help where the network swallows its answer.
                async with asyncio.timeout(engine.get_execution_options().get(_LIMIT)), engine.begin() as connection:
                    return await work(connection)
    except (SQLAlchemyError, OSError) as error:
        raise database_error(error) from error
    raise AssertionError("unreachable")  # pragma: no cover -- the loop returns or raises


async def lift_limit(connection: AsyncConnection) -> None:
    """Let each statement on `connection` take as long as it must; afterwards it is closed, not lent again."""
    if connection.dialect.name == "mysql":
        await connection.run_sync(Connection.detach)
        await connection.exec_driver_sql(_session(0))


def is_transient(error: BaseException) -> bool:
    """Whether the same statement may succeed a moment later."""
    if isinstance(error, (InterfaceError, PoolTimeoutError, OSError)):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, OperationalError):
        code = code_of(error)
        return code in _TRANSIENT_MYSQL or (isinstance(code, int) and 2000 <= code < 3000) or "locked" in str(error)
    return False


def code_of(error: DBAPIError) -> Any:
    """The number by which MySQL knows an error; SQLite says words there."""
    return getattr(error.orig, "args", (None,))[0]


def database_error(error: BaseException) -> DatabaseError:
    """An error of the driver in our words, without its SQL and its values."""
    # Or the value did not even become one of the column's type, which is said before anything is sent.
    is_unsendable = isinstance(error, StatementError) and not isinstance(error, DBAPIError)
    kind = RowRefusedError if isinstance(error, (DataError, IntegrityError)) or is_unsendable else DatabaseError
    cause = getattr(error, "orig", None) or error
    # The driver's words do not say why it could not connect; what it caught does.
    words = [str(each).strip().partition("\n")[0][:200] for each in (cause, cause.__cause__) if each is not None]
    told = ": ".join(word for word in words if word) or type(cause).__name__
    return kind(f"The database failed: {told}.", "Look at it with `dandelion db status`.")


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("database_retry", attempt=state.attempt_number, error=str(database_error(error)) if error else "")


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Foreign keys, patience, and commits that outlive a crash of the process; migrations switch WAL on in the file."""
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={_SQLITE_BUSY_MS}", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _session(seconds: float) -> str:
    """Times in UTC and a limit on queries, 0 for none: MySQL and MariaDB spell it each in comments of its own."""
    mysql = f"/*!80000 , max_execution_time = {int(seconds * 1000)} */"
    mariadb = f"/*M!100000 , max_statement_time = {seconds:g} */"
    return f"SET SESSION time_zone = '+00:00' {mysql} {mariadb}"


def _encrypted(options: DatabaseSettings) -> dict[str, Any]:
    from dandelion.db import tls  # with the driver, which SQLite does without

    return {"ssl": tls.create_context(options), "async_creator_fn": tls.connect}
