"""Connections: a pooled async engine for MySQL or SQLite, and transactions with retries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import URL, Connection, event, exc, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_delay, wait_random_exponential

from dandelion.errors import DatabaseError, RowRefusedError, SettingsError
from dandelion.settings import DatabaseSettings, Settings

Result = TypeVar("Result")

DRIVERS = {"mysql": "mysql+aiomysql", "mariadb": "mysql+aiomysql", "sqlite": "sqlite+aiosqlite"}
EMBEDDED_FILE = "dandelion.db"
# Deadlock, lock wait timeout: the transaction was rolled back as a whole and may be retried.
_TRANSIENT_MYSQL = {1205, 1213}
_SQLITE_BUSY_MS = 10_000
# Execution option of an engine: maximum time for one transaction, seconds.
_LIMIT = "dandelion_limit_seconds"

log = structlog.get_logger(__name__)


def database_url(settings: Settings) -> URL:
    """The address of the database, with our async driver.

    Raises:
        SettingsError: The address is invalid, or this kind of database is not supported.
    """
    given = settings.database.url
    if given is None:
        return URL.create(DRIVERS["sqlite"], database=str(settings.home / EMBEDDED_FILE))
    try:
        url = make_url(given.get_secret_value())
    except exc.ArgumentError as error:
        raise SettingsError(
            "DANDELION_DATABASE__URL is not a database address.", "Write mysql://user:password@host:3306/mlops_db."
        ) from error
    kind = url.get_backend_name()
    if kind not in DRIVERS:
        raise SettingsError(
            f"DANDELION_DATABASE__URL names a {kind!r} database, which is not supported.", "Use mysql:// or sqlite://."
        )
    password = settings.database.password
    return url.set(drivername=DRIVERS[kind], password=password.get_secret_value() if password else url.password)


def create_engine(settings: Settings) -> AsyncEngine:
    """An engine that checks each connection before use and limits every wait.

    Raises:
        SettingsError: The address is invalid, or the certificates cannot be read.
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
    """Run `work` in one transaction. After a lost connection, a deadlock or a busy database, run it again.

    Args:
        engine: The database.
        work: Called with a connection inside a transaction. It must have no other effects, since it may run again.
        patience_seconds: How long to retry; 0 tries once.

    Raises:
        DatabaseError: The database did not respond in that time, or refused the statement.
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
                # The server's own limit on queries does not help if the network loses its response.
                async with asyncio.timeout(engine.get_execution_options().get(_LIMIT)), engine.begin() as connection:
                    return await work(connection)
    except (exc.SQLAlchemyError, OSError) as error:
        raise database_error(error) from error
    raise AssertionError("unreachable")  # pragma: no cover -- the loop returns or raises


async def lift_limit(connection: AsyncConnection) -> None:
    """Remove the time limit of statements on `connection`; it is closed after use and does not return to the pool."""
    if connection.dialect.name == "mysql":
        await connection.run_sync(Connection.detach)
        await connection.exec_driver_sql(_session(0))


def is_transient(error: BaseException) -> bool:
    """Whether the same statement may succeed a moment later."""
    if isinstance(error, (exc.InterfaceError, exc.TimeoutError, OSError)):
        return True
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, exc.OperationalError):
        code = code_of(error)
        return code in _TRANSIENT_MYSQL or (isinstance(code, int) and 2000 <= code < 3000) or "locked" in str(error)
    return False


def code_of(error: exc.DBAPIError) -> Any:
    """MySQL's error number; for SQLite, a text."""
    return getattr(error.orig, "args", (None,))[0]


def database_error(error: BaseException) -> DatabaseError:
    """A driver's error as a `DatabaseError`, without SQL and values."""
    # Raised before anything is sent: a value cannot be converted to the column's type.
    is_unsendable = isinstance(error, exc.StatementError) and not isinstance(error, exc.DBAPIError)
    kind = RowRefusedError if isinstance(error, (exc.DataError, exc.IntegrityError)) or is_unsendable else DatabaseError
    cause = getattr(error, "orig", None) or error
    # The driver's own text does not say why it could not connect; its cause does.
    words = [str(each).strip().partition("\n")[0][:200] for each in (cause, cause.__cause__) if each is not None]
    reason = ": ".join(word for word in words if word) or type(cause).__name__
    return kind(f"The database failed: {reason}.", "Check it with `dandelion db status`.")


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("database_retry", attempt=state.attempt_number, error=str(database_error(error)) if error else "")


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Set foreign keys, a busy timeout, and commits that survive a crash of the process; migrations switch WAL on."""
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={_SQLITE_BUSY_MS}", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _session(seconds: float) -> str:
    """SQL that sets UTC and a time limit on queries, 0 for none; MySQL and MariaDB each read their own comment."""
    mysql = f"/*!80000 , max_execution_time = {int(seconds * 1000)} */"
    mariadb = f"/*M!100000 , max_statement_time = {seconds:g} */"
    return f"SET SESSION time_zone = '+00:00' {mysql} {mariadb}"


def _encrypted(options: DatabaseSettings) -> dict[str, Any]:
    from dandelion.db import tls  # imports the driver, which SQLite does not need

    return {"ssl": tls.create_context(options), "async_creator_fn": tls.connect}
