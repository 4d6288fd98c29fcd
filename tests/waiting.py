"""Waiting for what can be seen, instead of sleeping for as long as it may take."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Iterator

What = str | Callable[[], object]
Errors = tuple[type[Exception], ...]


def wait_until(
    holds: Callable[[], object],
    what: What,
    *,
    seconds: float = 30,
    every: float = 0.05,
    not_yet: Errors = (),
) -> float:
    """Seconds until `holds` returned something true.

    Args:
        holds: Called at least once.
        what: What is waited for, for the failure. A function is called when the time is up: it tells what is there.
        seconds: How long it may take: many times what it needs, because machines are shared.
        every: Seconds between two calls.
        not_yet: Errors of `holds` that mean "not yet", such as those of a server that is starting. Others are raised.

    Raises:
        AssertionError: It did not hold within `seconds`.
    """
    started = time.monotonic()
    for _ in _misses(holds, what, seconds, not_yet):
        time.sleep(every)
    return time.monotonic() - started


async def until(holds: Callable[[], object], what: What, *, seconds: float = 30, every: float = 0.05) -> float:
    """Like `wait_until`, while the event loop runs; what `holds` returns may have to be awaited."""
    started, seen = time.monotonic(), list[object]([None])
    for _ in _misses(seen.pop, what, seconds):
        found = holds()
        seen.append(await found if inspect.isawaitable(found) else found)
        await asyncio.sleep(0 if seen[-1] else every)
    return time.monotonic() - started


def _misses(holds: Callable[[], object], what: What, seconds: float, not_yet: Errors = ()) -> Iterator[None]:
    deadline, error = time.monotonic() + seconds, None
    while True:
        try:
            if holds():
                return
        except not_yet as caught:
            error = caught
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what() if callable(what) else what}") from error
        yield
