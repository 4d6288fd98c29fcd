"""A bounded line before threads."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dandelion.concurrency.executor import BoundedExecutor
from dandelion.errors import OverloadedError
from tests.waiting import until


async def test_one_more_than_may_wait_is_refused() -> None:
    threads, go_on = BoundedExecutor("drawers", 2, max_waiting=3), threading.Event()
    asked = [asyncio.create_task(threads.run(go_on.wait, 10)) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="drawers"):
        await threads.run(go_on.wait, 10)
    go_on.set()
    assert await asyncio.gather(*asked) == [True] * 5
    assert await threads.run(int, "7") == 7
    threads.close()


async def test_who_stops_waiting_leaves_his_thread_busy() -> None:
    threads, go_on, began = BoundedExecutor("drawers", 1, max_waiting=0), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        go_on.wait(10)

    asked = asyncio.create_task(threads.run(work))
    await asyncio.to_thread(began.wait, 10)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    with pytest.raises(OverloadedError):
        await threads.run(int)
    go_on.set()

    async def is_free() -> bool:
        try:
            return await threads.run(int) == 0
        except OverloadedError:
            return False

    await until(is_free, "the thread is free", every=0.01)
    threads.close()


async def test_an_error_comes_back_and_gives_its_place_back() -> None:
    threads = BoundedExecutor("drawers", 1, max_waiting=0)
    for _ in range(3):
        with pytest.raises(ValueError, match="invalid literal"):
            await threads.run(int, "seven")
    threads.close()
