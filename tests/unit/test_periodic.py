"""Background work goes on, whatever it raises."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from dandelion.concurrency.periodic import run_periodically
from dandelion.errors import DandelionError


class Clock:
    """Sleeps that take no time and are written down; after the last turn the loop is cancelled."""

    def __init__(self, turns: int) -> None:
        self._turns = turns
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) == self._turns:
            raise asyncio.CancelledError


async def run(monkeypatch: pytest.MonkeyPatch, ends: Sequence[Exception | None], **options: float) -> list[float]:
    clock, left = Clock(len(ends)), iter(ends)
    monkeypatch.setattr("dandelion.concurrency.periodic.asyncio.sleep", clock.sleep)

    async def work() -> None:
        if (error := next(left)) is not None:
            raise error

    with pytest.raises(asyncio.CancelledError):
        await run_periodically("work", work, **({"pause_seconds": 1.0, "spread": 0.0} | options))
    return clock.pauses


async def test_a_failure_is_logged_when_it_begins_changes_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    away, other = DandelionError("The database is away."), DandelionError("The disk is full.")
    with capture_logs() as lines:
        bug = ValueError("a fault of ours")
        await run(monkeypatch, [None, away, away, other, bug, bug, None, None])
    assert [(each["log_level"], each["event"], each.get("reason")) for each in lines] == [
        ("warning", "task_failed", str(away)),
        ("warning", "task_failed", str(other)),
        ("error", "task_failed", None),
        ("error", "task_failed", None),
        ("info", "task_resumed", None),
    ]
    assert {each["task"] for each in lines} == {"work"}


async def test_pauses_grow_while_it_fails_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    away = DandelionError("The database is away.")
    ends = [None, away, away, away, away, None, None]
    assert await run(monkeypatch, ends, longest_pause_seconds=6.0) == [1, 2, 4, 6, 6, 1, 1]
    assert await run(monkeypatch, ends) == [1] * 7


async def test_no_pause_is_longer_than_asked_nor_all_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = await run(monkeypatch, [None] * 50, spread=0.25)
    assert len(set(pauses)) > 40
    assert 0.75 <= min(pauses) < max(pauses) <= 1
