"""Periodic background work that survives errors."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from dandelion.errors import DandelionError

log = structlog.get_logger(__name__)


async def run_periodically(
    task: str,
    work: Callable[[], Awaitable[object]],
    *,
    pause_seconds: float,
    longest_pause_seconds: float | None = None,
    spread: float = 0.25,
) -> None:
    """Call `work` now and after every pause until cancelled, even if it raises.

    The log has one line when a failure begins or changes, and one when it ends; a bug is logged each time.

    Args:
        task: Name for the log.
        work: One turn.
        pause_seconds: Pause between two turns while they succeed.
        longest_pause_seconds: While turns fail, pauses double up to this maximum; None keeps them constant.
        spread: Each pause is randomly shortened by up to this share, so that replicas do not run in step.
    """
    pause, failure = pause_seconds, ""
    while True:
        try:
            await work()
        except Exception as error:
            if not isinstance(error, DandelionError):  # a bug: each time
                log.exception("task_failed", task=task)
            elif repr(error) != failure:
                log.warning("task_failed", task=task, reason=str(error))
            pause = pause_seconds if longest_pause_seconds is None else min(pause * 2, longest_pause_seconds)
            failure = repr(error)
        else:
            if failure:
                log.info("task_resumed", task=task)
            pause, failure = pause_seconds, ""
        await asyncio.sleep(pause * random.uniform(1.0 - spread, 1.0))  # noqa: S311 -- no secret
