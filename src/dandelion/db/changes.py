"""Repeatable schema changes, for migrations.

Neither MySQL nor SQLite rolls back the statements of a migration that a crash interrupts, and the version is written
only after the last of them. So each change first checks whether it is already there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from dandelion.db.tables import MYSQL


def create_table(name: str, *columns: sa.Column[Any]) -> None:
    """Create a table unless it exists."""
    if not _has_table(name):
        op.create_table(name, *columns, **MYSQL)


def drop_table(name: str) -> None:
    """Drop a table with its rows, if it exists."""
    if _has_table(name):
        op.drop_table(name)


def create_index(table: str, *columns: str) -> None:
    """Create an index unless it exists."""
    if (name := _index_name(table, columns)) not in _indexes(table):
        op.create_index(name, table, columns)


def drop_index(table: str, *columns: str) -> None:
    """Drop an index if it exists."""
    if (name := _index_name(table, columns)) in _indexes(table):
        op.drop_index(name, table)


def _has_table(name: str) -> bool:
    return sa.inspect(op.get_bind()).has_table(name)


def _index_name(table: str, columns: Sequence[str]) -> str:
    return f"ix_{table}_{'_'.join(columns)}"


def _indexes(table: str) -> set[str | None]:
    return {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}
