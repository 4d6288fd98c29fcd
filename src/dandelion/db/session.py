"""A connection pool for one task."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion.db.engine import create_engine
from dandelion.settings import Settings


@asynccontextmanager
async def open_database(settings: Settings, *, tables: bool = True) -> AsyncIterator[AsyncEngine]:
    """An engine that is closed after the block.

    Args:
        settings: Where the database is.
        tables: Upgrade the tables first, if the settings allow it.

    Raises:
        DatabaseError: The database does not respond.
    """
    engine = create_engine(settings)
    try:
        if tables and settings.database.auto_upgrade:
            from dandelion.db.migrate import upgrade  # loads Alembic

            await upgrade(engine)
        yield engine
    finally:
        await engine.dispose()
