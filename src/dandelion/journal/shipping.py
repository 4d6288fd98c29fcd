"""A task that ships what waits, again and again, and less and less often while the other side is down."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from dandelion.errors import DandelionError

LONGEST_PAUSE_SECONDS = 15.0

log = structlog.get_logger(__name__)


async def ship_for_ever(
    what: str, ship: Callable[[], Awaitable[object]], *, pause_seconds: float, report: Callable[[bool], None]
) -> None:
    """Call `ship` until cancelled.

    Args:
        what: Named in the log.
        ship: Ships what waits now.
        pause_seconds: Between two calls while they succeed.
        report: Told after each call whether it succeeded.
    """
    pause, failing = pause_seconds, ""
    while True:
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 -- replicas should not march in step
        try:
            await ship()
        except DandelionError as error:
            if str(error) != failing:
                log.warning("shipping_waits", what=what, reason=str(error))
            pause, failing = min(pause * 2, LONGEST_PAUSE_SECONDS), str(error)
        except Exception as error:
            log.exception("shipping_failed", what=what)
            pause, failing = LONGEST_PAUSE_SECONDS, repr(error)
        else:
            if failing:
                log.info("shipping_goes_on", what=what)
            pause, failing = pause_seconds, ""
        report(not failing)
