"""A thread pool for one kind of slow work, with a bounded queue."""

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
    """Runs slow calls in threads of its own, so that a slow server or a flood of requests blocks nothing else.

    `asyncio.to_thread` shares a few threads among all work, and its queue is unbounded.

    Args:
        name: What the threads do, for error texts.
        count: Number of threads.
        max_waiting: Maximum number of calls that wait for a thread.
    """

    def __init__(self, name: str, count: int, *, max_waiting: int) -> None:
        self._name = name
        self._pool = ThreadPoolExecutor(count, name)
        self._places = threading.BoundedSemaphore(count + max_waiting)

    async def run(self, work: Callable[[*Given], Result], *given: *Given) -> Result:
        """Call `work` with `given` in one of the threads and return its result.

        Raises:
            OverloadedError: The queue is full.
        """
        if not self._places.acquire(blocking=False):
            raise OverloadedError(f"Too many requests already wait for the {self._name}.", "Try again later.")
        call: Callable[[], Result] = partial(work, *given)
        task = self._pool.submit(contextvars.copy_context().run, call)
        # Not when the caller stops waiting: the thread is busy until the call returns.
        task.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(task)

    def close(self) -> None:
        """Start no more calls. Running calls finish on their own."""
        self._pool.shutdown(wait=False, cancel_futures=True)
