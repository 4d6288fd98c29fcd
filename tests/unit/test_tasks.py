"""The end of background tasks."""

from __future__ import annotations

import asyncio

import pytest
import structlog.testing

from dandelion.concurrency import tasks


async def test_a_task_that_loses_its_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """`asyncio.wait_for` does so before Python 3.12 when the answer comes in the same turn, and aiomysql uses it."""
    monkeypatch.setattr(tasks, "AGAIN_SECONDS", 0.05)
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        await asyncio.wait_for(answer, 60)
        await asyncio.Event().wait()

    running = asyncio.create_task(work())
    await asyncio.sleep(0)
    answer.set_result(None)
    async with asyncio.timeout(10):
        await tasks.end_all([running])
    assert running.cancelled()


async def test_what_failed_before_is_told_and_keeps_nobody() -> None:
    async def fail() -> None:
        raise OSError("disk")

    running = [asyncio.create_task(fail(), name="broken"), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.sleep(0)
    with structlog.testing.capture_logs() as logs:
        await tasks.end_all(running)
    assert [(each["event"], each["task"]) for each in logs] == [("task_failed", "broken")]
    await tasks.end_all([])
