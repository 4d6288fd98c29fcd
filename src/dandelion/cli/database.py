"""One database connection pool per command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

Result = TypeVar("Result")


def with_engine(work: Callable[[AsyncEngine], Awaitable[Result]], *, tables: bool = True) -> Result:
    """Run `work` with the database of the settings.

    Args:
        work: What to run.
        tables: Upgrade the tables first, if the settings allow it.

    Raises:
        DatabaseError: The database does not answer.
    """
    from dandelion.db import create_engine
    from dandelion.settings import load_settings

    async def run() -> Result:
        settings = load_settings()
        engine = create_engine(settings)
        try:
            if tables and settings.database.auto_upgrade:
                from dandelion.db.migrate import upgrade

                await upgrade(engine)
            return await work(engine)
        finally:
            await engine.dispose()

    return asyncio.run(run())
