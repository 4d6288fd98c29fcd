"""Threads of their own for one kind of slow work, and a bounded line before them."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar, TypeVarTuple

from dandelion.errors import OverloadedError

Given = TypeVarTuple("Given")
Result = TypeVar("Result")


class BoundedExecutor:
    """What waits here for a slow server, or is asked for too often, holds up nothing else.

    The loop's own threads, behind `asyncio.to_thread`, are few and serve all; their line has no end.

    Args:
        name: What they do, for errors.
        count: How many work side by side.
        most_waiting: How many more may wait for one of them.
    """

    def __init__(self, name: str, count: int, *, most_waiting: int) -> None:
        self._name = name
        self._pool = ThreadPoolExecutor(count, name)
        self._places = threading.BoundedSemaphore(count + most_waiting)

    async def run(self, work: Callable[[*Given], Result], *given: *Given) -> Result:
        """What `work` returns, called with `given` in one of the threads.

        Raises:
            OverloadedError: As many wait as may.
        """
        if not self._places.acquire(blocking=False):
            raise OverloadedError(f"Too many requests wait already for the {self._name}.", "Try again later.")
        call: Callable[[], Result] = partial(work, *given)
        task = self._pool.submit(contextvars.copy_context().run, call)
        # Not when somebody stops waiting: the thread is free when it is done.
        task.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(task)

    def close(self) -> None:
        """Begin nothing more; what is under way is left to end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
