"""Shipping MySQL's closed binary logs to the object store, so that a dump can be replayed up to minutes ago."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dandelion.concurrency.patience import COMMAND_PATIENCE_SECONDS
from dandelion.db import transact
from dandelion.db.engine import database_error
from dandelion.errors import DatabaseError, ObjectNotFoundError
from dandelion.objects import BACKUPS, ObjectStore

PREFIX = "mysql/binlog"
# A log with only its own header is not worth closing.
EMPTY_BYTES = 512

log = structlog.get_logger(__name__)


async def ship_binlogs(engine: AsyncEngine, store: ObjectStore, folder: Path) -> int:
    """Close the active log and copy every closed one that the store lacks; return how many were copied.

    Args:
        engine: Engine of an account with RELOAD and REPLICATION CLIENT.
        store: Gets `mysql/binlog/<server's uuid>/<log>` in the bucket `backups`.
        folder: MySQL's data folder, which contains the logs.

    Raises:
        DatabaseError: MySQL does not respond, or writes no binary log.
        ObjectStoreError: The store does not respond; the next call copies the rest.
    """
    server, closed = await transact(engine, _close, patience_seconds=COMMAND_PATIENCE_SECONDS)
    shipped = 0
    for name, size in closed:
        key = f"{PREFIX}/{server}/{name}"
        try:
            if (await asyncio.to_thread(store.stat, BACKUPS, key)).size_bytes == size:
                continue
        except ObjectNotFoundError:
            pass
        try:
            await asyncio.to_thread(store.put_file, BACKUPS, key, folder / name)
        except FileNotFoundError as error:
            raise DatabaseError(
                f"MySQL lists the binary log {name}, but {folder} does not contain it.",
                "Give MySQL's data folder instead.",
            ) from error
        shipped += 1
        log.info("binlog_shipped", name=name, bytes=size)
    return shipped


async def _close(connection: AsyncConnection) -> tuple[str, Sequence[tuple[str, int]]]:
    """Close the active log; return the server's uuid, and the closed logs with their sizes in bytes."""
    if connection.dialect.name != "mysql":
        raise DatabaseError("Only MySQL writes binary logs.", "Set DANDELION_DATABASE__URL to a MySQL server.")
    try:
        logs = (await connection.execute(text("SHOW BINARY LOGS"))).all()
    except SQLAlchemyError as error:
        raise database_error(error) from error
    if int(logs[-1][1]) > EMPTY_BYTES:
        await connection.execute(text("FLUSH BINARY LOGS"))
        logs = (await connection.execute(text("SHOW BINARY LOGS"))).all()
    server = str(await connection.scalar(text("SELECT @@server_uuid")))
    return server, [(str(name), int(size)) for name, size, *_ in logs[:-1]]
