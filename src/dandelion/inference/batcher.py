"""Dynamic batching: photos of separate requests run in one batch.

A worker is a thread that takes the waiting photos, up to a maximum, and processes them as one batch. It decodes and
classifies in the same thread, so a photo changes threads only twice: to the worker and back. Photos collect while all
workers are busy, so batches grow with the load and an idle server adds no delay.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from dandelion.errors import NotReadyError, OverloadedError
from dandelion.telemetry import instruments

Item = TypeVar("Item")
Result = TypeVar("Result")
Process = Callable[[Sequence[Item]], Sequence[Result | Exception | None]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    future: asyncio.Future[Result]
    since: float


class Batcher(Generic[Item, Result]):
    """A bounded queue in front of `workers` threads.

    `process` gets up to `max_batch` items and returns one result an item, in order; a result that is an exception
    fails only its item. None means that the item would take several times as long as others, and has to wait: after
    each batch a worker gives one such item to `process_costly`. Others so wait for one of them, however many there are.

    A worker that found an item waits `max_wait_seconds` for more. Items beyond `max_queue` waiting
    ones are refused, and an item that waits longer than `deadline_seconds` fails.
    """

    def __init__(
        self,
        process: Process[Item, Result],
        process_costly: Callable[[Item], Result | Exception],
        *,
        workers: int,
        max_batch: int,
        max_wait_seconds: float,
        max_queue: int,
        deadline_seconds: float,
    ) -> None:
        self._process = process
        self._process_costly = process_costly
        self._workers = workers
        self._max_batch = max_batch
        self._max_wait_seconds = max_wait_seconds
        self._max_queue = max_queue
        self._deadline_seconds = deadline_seconds
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._costly: deque[_Waiting[Item, Result]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name=f"worker-{n}", daemon=True) for n in range(workers)]
        for thread in self._threads:
            thread.start()
        instruments.QUEUE_PHOTOS.set_function(self._size)
        instruments.QUEUE_CAPACITY.set(max_queue)

    def submit(self, items: Sequence[Item]) -> list[asyncio.Future[Result]]:
        """Queue `items`, all or none, and return the futures of their results.

        Raises:
            OverloadedError: The items do not fit into the queue.
            NotReadyError: The batcher is closed.
        """
        loop = asyncio.get_running_loop()
        now = time.monotonic()
        futures: list[asyncio.Future[Result]] = [loop.create_future() for _ in items]
        with self._changed:
            if self._closed:
                raise NotReadyError("The server is stopping.", "Send the photo to another replica.")
            if (waiting := self._size()) + len(items) > self._max_queue:
                raise OverloadedError(
                    f"The queue is full: {waiting} photos wait, and the maximum is {self._max_queue}.",
                    "Try again later, or raise DANDELION_INFERENCE__MAX_QUEUE.",
                )
            self._queue.extend(_Waiting(item, future, now) for item, future in zip(items, futures, strict=True))
            self._changed.notify(len(items))
        return futures

    def close(self) -> None:
        """Process the waiting items, then stop the workers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _size(self) -> int:
        return len(self._queue) + len(self._costly)

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            has_run = self._run(taken, self._process)
            self._run(self._take_costly(is_their_turn=has_run), lambda items: [self._process_costly(*items)])

    def _run(self, batch: list[_Waiting[Item, Result]], process: Process[Item, Result]) -> bool:
        """Process what nobody has given up, and set costly items aside; return whether there were others."""
        started = time.monotonic()
        fresh = [waiting for waiting in batch if self._is_fresh(waiting, started)]
        results = self._results(process, [waiting.item for waiting in fresh]) if fresh else ()
        done, costly = [], []
        for waiting, result in zip(fresh, results, strict=True):
            if result is None:
                costly.append(waiting)
            else:
                instruments.QUEUE_SECONDS.observe(started - waiting.since)
                done.append((waiting, result))
        if costly:
            with self._changed:
                self._costly.extend(costly)
                self._changed.notify(len(costly))
        _deliver(done)
        return bool(done)

    def _take_costly(self, *, is_their_turn: bool) -> list[_Waiting[Item, Result]]:
        """The costly item that has waited longest; none if there are others to run first."""
        with self._changed:
            return [self._costly.popleft()] if self._costly and (is_their_turn or not self._queue) else []

    def _is_fresh(self, waiting: _Waiting[Item, Result], now: float) -> bool:
        if (seconds := now - waiting.since) > self._deadline_seconds:
            instruments.QUEUE_SECONDS.observe(seconds)
            error = OverloadedError(
                f"The photo waited {seconds:.1f} s for a worker, and the maximum is {self._deadline_seconds:g} s.",
                "Try again later.",
            )
            _deliver([(waiting, error)])
            return False
        return not waiting.future.cancelled()  # else the client disconnected

    def _results(self, process: Process[Item, Result], items: list[Item]) -> Sequence[Result | Exception | None]:
        try:
            return process(items)
        except Exception as error:
            log.exception("batch_failed", photos=len(items))
            return [error] * len(items)

    def _take(self) -> list[_Waiting[Item, Result]] | None:
        """The next items, no more than a batch; none if only costly ones wait, None if nothing will come any more."""
        with self._changed:
            while not self._size() and not self._closed:
                self._changed.wait()
                if self._queue and self._max_wait_seconds:
                    # Another worker may take everything meanwhile; then this one waits again.
                    self._changed.wait_for(self._enough, self._max_wait_seconds)
            if not self._size():
                return None
            # A fair share, so that one worker does not take items that an idle one could start at once.
            share = -(-len(self._queue) // self._workers)
            return [self._queue.popleft() for _ in range(min(share, self._max_batch))]

    def _enough(self) -> bool:
        return self._closed or len(self._queue) >= self._max_batch


def _deliver(pairs: Sequence[tuple[_Waiting[Item, Result], Result | Exception]]) -> None:
    """Resolve futures in their event loop, which wakes up once a batch."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Result], Result | Exception]]] = {}
    for waiting, result in pairs:
        by_loop.setdefault(waiting.future.get_loop(), []).append((waiting.future, result))
    for loop, resolved in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, resolved)


def _resolve(resolved: Sequence[tuple[asyncio.Future[Result], Result | Exception]]) -> None:
    for future, result in resolved:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
