"""Repeatable schema changes, for migrations.

Neither MySQL nor SQLite rolls back the statements of a migration that a crash interrupts, and the version is written
only after the last of them. So each change first checks whether it is already there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.sql.schema import SchemaItem


def create_table(name: str, *items: SchemaItem, **options: Any) -> None:
    """Create a table unless it exists."""
    if not _has_table(name):
        op.create_table(name, *items, **options)


def drop_table(name: str) -> None:
    """Drop a table with its rows, if it exists."""
    if _has_table(name):
        op.drop_table(name)


def create_index(name: str, table: str, columns: Sequence[str]) -> None:
    """Create an index unless it exists."""
    if name not in _indexes(table):
        op.create_index(op.f(name), table, columns)


def drop_index(name: str, table: str) -> None:
    """Drop an index if it exists."""
    if name in _indexes(table):
        op.drop_index(op.f(name), table)


def _has_table(name: str) -> bool:
    return sa.inspect(op.get_bind()).has_table(name)


def _indexes(table: str) -> set[str | None]:
    return {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}
