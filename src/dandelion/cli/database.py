"""The database of the settings: one connection pool per command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from dandelion.concurrency.patience import COMMAND_PATIENCE_SECONDS
from dandelion.settings import load_settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

Result = TypeVar("Result")


def with_engine(work: Callable[[AsyncEngine], Awaitable[Result]], *, tables: bool = True) -> Result:
    """Run `work` with the database of the settings; see `open_database`."""
    from dandelion.db.session import open_database

    async def run() -> Result:
        async with open_database(load_settings(), tables=tables) as engine:
            return await work(engine)

    return asyncio.run(run())


def in_transaction(
    work: Callable[[AsyncConnection], Awaitable[Result]],
    *,
    tables: bool = True,
    patience_seconds: float = COMMAND_PATIENCE_SECONDS,
) -> Result:
    """Run `work` in one transaction; see `transact`."""
    from dandelion.db import transact

    return with_engine(lambda engine: transact(engine, work, patience_seconds=patience_seconds), tables=tables)
