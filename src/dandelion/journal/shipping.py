"""A task that ships what waits, again and again, and less and less often while the other side is down."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from dandelion.errors import DandelionError

LONGEST_PAUSE_SECONDS = 15.0
# At the end of a process, for rows and then for photos: 10 of the chart's `drain.graceSeconds` (60), of which the drain
# takes 15 and requests in flight at most 30.
LAST_CHANCE_SECONDS = 5.0

log = structlog.get_logger(__name__)


async def ship_for_ever(what: str, ship: Callable[[], Awaitable[object]], *, pause_seconds: float) -> None:
    """Call `ship` until cancelled, whatever it raises.

    Args:
        what: Named in the log.
        ship: Ships what waits now.
        pause_seconds: Between two calls while they succeed.
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


async def ship_at_last(what: str, ship: Callable[[], Awaitable[object]]) -> None:
    """Call `ship` once more before the process ends; what it leaves stays on disk for the next start."""
    try:
        await asyncio.wait_for(ship(), LAST_CHANCE_SECONDS)
    except (DandelionError, OSError) as error:  # a TimeoutError is one of these
        log.warning("shipping_ended", what=what, reason=str(error) or type(error).__name__)
