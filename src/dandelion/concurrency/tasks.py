"""Stopping the background tasks of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import structlog

AGAIN_SECONDS = 2.0

log = structlog.get_logger(__name__)


async def end_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel `tasks` and wait until they have stopped, whatever they raise.

    Tasks that continue are cancelled again. Before Python 3.12, `asyncio.wait_for`, which aiomysql uses to connect,
    loses a cancellation that arrives at the moment of the connection, and the server would wait for ever.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        ended, running = await asyncio.wait(running, timeout=AGAIN_SECONDS)
        for task in ended:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("task_failed", task=task.get_name(), exc_info=error)
