"""Shipping what waits on disk: periodically, and once more before the process stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from dandelion.concurrency.periodic import run_periodically
from dandelion.errors import DandelionError

LONGEST_PAUSE_SECONDS = 15.0
# When the process stops, first for rows and then for photos: 10 of the chart's `drain.graceSeconds` (60). The drain
# takes 15 of them, and requests in flight at most 30.
LAST_CHANCE_SECONDS = 5.0

log = structlog.get_logger(__name__)


async def ship_periodically(what: str, ship: Callable[[], Awaitable[object]], *, pause_seconds: float) -> None:
    """Call `ship` until cancelled, less and less often while the other side is down."""
    await run_periodically(
        f"shipping {what}", ship, pause_seconds=pause_seconds, longest_pause_seconds=LONGEST_PAUSE_SECONDS
    )


async def ship_at_last(what: str, ship: Callable[[], Awaitable[object]]) -> None:
    """Call `ship` once more before the process stops; the rest stays on disk for the next start."""
    try:
        await asyncio.wait_for(ship(), LAST_CHANCE_SECONDS)
    except (DandelionError, OSError) as error:  # a TimeoutError is one of these
        log.warning("shipping_ended", what=what, reason=str(error) or type(error).__name__)
