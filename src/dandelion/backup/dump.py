"""Dump all tables to lines of JSON, and restore them; SQLite, MySQL and MariaDB can restore each other's dumps.

The first line names the schema version; each further line is a row with its table. A table's digest is that of its
lines, so a dump of the restored database can be compared with the original.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

import msgspec
from alembic.migration import MigrationContext
from sqlalchemy import Column, Table, func, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dandelion.db.engine import database_error
from dandelion.db.tables import Moment, metadata
from dandelion.errors import DatabaseError

AT_ONCE = 2000

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of a table in a dump: the number of rows, and the digest of their lines."""

    rows: int
    sha256: str


class _Head(msgspec.Struct):
    schema: str
    tables: list[str]


class _Line(msgspec.Struct):
    table: str
    row: dict[str, Any]


async def dump(engine: AsyncEngine, stream: BinaryIO) -> dict[str, Contents]:
    """Write every row as of one moment, while other processes continue to write; return the contents by table.

    Raises:
        DatabaseError: The database did not respond, or has no tables.
    """
    found: dict[str, Contents] = {}
    try:
        async with _snapshot(engine) as connection:
            revision = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
            if revision is None:
                raise DatabaseError("The database has no tables.", "Create them with `dandelion db upgrade`.")
            tables = metadata.sorted_tables
            stream.write(_encoder.encode(_Head(revision, [str(table.name) for table in tables])) + b"\n")
            for table in tables:
                found[table.name] = await _dump_table(connection, table, stream)
    except (SQLAlchemyError, OSError) as error:
        raise database_error(error) from error
    return found


async def restore(engine: AsyncEngine, lines: Iterable[bytes]) -> dict[str, int]:
    """Fill an empty database with the rows of a dump, in the dump's schema, then upgrade the schema.

    Returns:
        Table to number of rows.

    Raises:
        DatabaseError: The database is not empty or did not respond, or the dump cannot be read.
    """
    from dandelion.db.migrate import upgrade

    remaining = iter(lines)
    try:
        head = msgspec.json.decode(next(remaining, b""), type=_Head)
    except msgspec.MsgspecError as error:
        raise DatabaseError(
            f"This is not a database dump ({error}).", "Give a dump that `dandelion backup` created."
        ) from error
    await upgrade(engine, head.schema)
    counts: dict[str, int] = dict.fromkeys(head.tables, 0)
    try:
        async with engine.begin() as connection:
            for name in head.tables:
                if await connection.scalar(select(func.count()).select_from(metadata.tables[name])):
                    raise DatabaseError(f"The table {name} has rows already.", "Restore into an empty database.")
        # One transaction for each batch: a single one would outgrow the server's log.
        for name, rows in _batches(remaining):
            async with engine.begin() as connection:
                await connection.execute(insert(metadata.tables[name]), rows)
            counts[name] += len(rows)
    except KeyError as error:
        raise DatabaseError(
            f"The dump has a table {error} that this version does not know.", "Install a newer Dandelion."
        ) from error
    except msgspec.MsgspecError as error:
        raise DatabaseError(f"The dump is damaged ({error}).", "Restore an earlier backup.") from error
    except (SQLAlchemyError, OSError) as error:
        raise database_error(error) from error
    await upgrade(engine)
    return counts


@asynccontextmanager
async def _snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection that sees the tables as of one moment."""
    async with engine.connect() as connection:
        if connection.dialect.name == "mysql":
            await connection.execution_options(isolation_level="REPEATABLE READ")
        async with connection.begin():
            if connection.dialect.name == "sqlite":
                await connection.exec_driver_sql("BEGIN")  # Python's driver sends it only before a write
            yield connection


async def _dump_table(connection: AsyncConnection, table: Table, stream: BinaryIO) -> Contents:
    (key,) = table.primary_key.columns
    digest, rows, last = hashlib.sha256(), 0, None
    while True:
        query = select(table).order_by(key).limit(AT_ONCE)
        found = (await connection.execute(query if last is None else query.where(key > last))).mappings().all()
        for row in found:
            values = {str(column.name): row[column.name] for column in table.columns}
            line = _encoder.encode(_Line(str(table.name), values))
            digest.update(line)
            stream.write(line + b"\n")
        rows += len(found)
        if len(found) < AT_ONCE:
            return Contents(rows, digest.hexdigest())
        last = found[-1][key.name]


def _batches(lines: Iterator[bytes]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Batches of some thousand rows, each of one table."""
    decode = msgspec.json.Decoder(_Line).decode
    name = ""
    rows: list[dict[str, Any]] = []
    for line in lines:
        found = decode(line)
        if rows and (found.table != name or len(rows) >= AT_ONCE):
            yield name, rows
            rows = []
        name = found.table
        columns = metadata.tables[name].columns
        rows.append({key: _value(columns[key], value) for key, value in found.row.items()})
    if rows:
        yield name, rows


def _value(column: Column[Any], value: Any) -> Any:
    if value is None or not isinstance(column.type, Moment):
        return value
    return datetime.fromisoformat(value)
