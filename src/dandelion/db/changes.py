"""Changes to the schema that may be made again, for migrations.

Neither MySQL nor SQLite takes back the statements of a migration that a crash breaks off, and the version is written
only after the last of them. So each change first looks whether it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.sql.schema import SchemaItem


def create_table(name: str, *items: SchemaItem, **options: Any) -> None:
    """Make a table unless it is there."""
    if not _has_table(name):
        op.create_table(name, *items, **options)


def drop_table(name: str) -> None:
    """Remove a table and all that it holds, unless it is gone."""
    if _has_table(name):
        op.drop_table(name)


def create_index(name: str, table: str, columns: Sequence[str]) -> None:
    """Make an index unless it is there."""
    if name not in _indexes(table):
        op.create_index(op.f(name), table, columns)


def drop_index(name: str, table: str) -> None:
    """Remove an index unless it is gone."""
    if name in _indexes(table):
        op.drop_index(op.f(name), table)


def _has_table(name: str) -> bool:
    return sa.inspect(op.get_bind()).has_table(name)


def _indexes(table: str) -> set[str | None]:
    return {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}
