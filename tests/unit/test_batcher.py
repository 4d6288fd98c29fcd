"""The batcher: order, isolation, bounds, deadlines and its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from dandelion.errors import NotReadyError, OverloadedError
from dandelion.inference.batcher import Batcher
from tests.waiting import until


@asynccontextmanager
async def batcher(
    process: Callable[[Sequence[int]], Sequence[int | Exception]],
    *,
    workers: int = 1,
    max_batch: int = 8,
    max_wait_seconds: float = 0,
    max_queue: int = 100,
    deadline_seconds: float = 60,
    is_costly: Callable[[int], bool] = lambda _: False,
) -> AsyncIterator[Batcher[int, int]]:
    def run(items: Sequence[int]) -> list[int | Exception | None]:
        ordinary = [item for item in items if not is_costly(item)]
        results = iter(process(ordinary) if ordinary else ())
        return [None if is_costly(item) else next(results) for item in items]

    made = Batcher(
        run,
        lambda item: process([item])[0],
        workers=workers,
        max_batch=max_batch,
        max_wait_seconds=max_wait_seconds,
        max_queue=max_queue,
        deadline_seconds=deadline_seconds,
    )
    try:
        yield made
    finally:
        await asyncio.to_thread(made.close)


def double(items: Sequence[int]) -> list[int | Exception]:
    return [2 * item for item in items]


class Gate:
    """Holds the first batch until opened, and remembers what each batch held."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.entered.set()
        self.opened.wait(10)
        self.batches.append(list(items))
        return double(items)


async def test_answers_come_in_the_order_of_the_items() -> None:
    async with batcher(double, workers=3) as made:
        assert await asyncio.gather(*made.submit(list(range(50)))) == [2 * n for n in range(50)]


async def test_one_failing_item_fails_alone() -> None:
    def odd_fails(items: Sequence[int]) -> list[int | Exception]:
        return [ValueError(str(item)) if item % 2 else item for item in items]

    async with batcher(odd_fails) as made:
        results = await asyncio.gather(*made.submit([0, 1, 2]), return_exceptions=True)
    assert results[0] == 0
    assert isinstance(results[1], ValueError)
    assert results[2] == 2


async def test_a_worker_outlives_a_batch_that_raises() -> None:
    calls = iter([RuntimeError("broken"), None])

    def breaks_once(items: Sequence[int]) -> list[int | Exception]:
        if error := next(calls):
            raise error
        return double(items)

    async with batcher(breaks_once) as made:
        with pytest.raises(RuntimeError, match="broken"):
            await made.submit([1])[0]
        assert await made.submit([1])[0] == 2


async def test_what_waits_meanwhile_is_run_together_up_to_the_maximum() -> None:
    gate = Gate()
    async with batcher(gate, max_batch=4) as made:
        first = made.submit([0])
        await asyncio.to_thread(gate.entered.wait, 10)
        rest = made.submit(list(range(1, 10)))
        gate.opened.set()
        await asyncio.gather(*first, *rest)
    assert [len(batch) for batch in gate.batches] == [1, 4, 4, 1]


async def test_a_worker_that_waits_for_more_runs_them_together() -> None:
    sizes: list[int] = []

    def note(items: Sequence[int]) -> list[int | Exception]:
        sizes.append(len(items))
        return double(items)

    async with batcher(note, max_wait_seconds=5, max_batch=2) as made:
        first = made.submit([1])
        await asyncio.sleep(0.05)
        await asyncio.gather(*first, *made.submit([2]))
    assert sizes == [2]


async def test_a_full_queue_refuses_all_or_nothing() -> None:
    gate = Gate()
    async with batcher(gate, max_queue=3) as made:
        running = made.submit([0])
        await asyncio.to_thread(gate.entered.wait, 10)
        waiting = made.submit([1, 2])
        with pytest.raises(OverloadedError, match="2 photos wait"):
            made.submit([3, 4])
        gate.opened.set()
        assert await asyncio.gather(*running, *waiting) == [0, 2, 4]


async def test_other_items_wait_for_one_costly_item_however_many_there_are() -> None:
    """And no more than those wait for them."""
    gate = Gate()
    async with batcher(gate, max_batch=2, max_queue=9, is_costly=lambda item: item < 0) as made:
        running = made.submit([0])
        await asyncio.to_thread(gate.entered.wait, 10)
        waiting = made.submit([-1, -2, -3, -4, 1, 2, 3, -5, 4])
        with pytest.raises(OverloadedError, match="9 photos wait"):
            made.submit([5])
        gate.opened.set()
        assert await asyncio.gather(*running, *waiting) == [0, -2, -4, -6, -8, 2, 4, 6, -10, 8]
    assert gate.batches == [[0], [1, 2], [-1], [3], [-2], [4], [-3], [-4], [-5]]


async def test_costly_items_count_in_the_queue_and_are_run_at_the_end() -> None:
    entered, opened = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold(items: Sequence[int]) -> list[int | Exception]:
        if items == [-1]:
            loop.call_soon_threadsafe(entered.set)
            opened.wait(10)
        return double(items)

    async with batcher(hold, max_batch=4, max_queue=4, is_costly=lambda item: item < 0) as made:
        waiting = made.submit([-1, -2, -3, 1])
        await entered.wait()  # the first costly one runs, and the others are set aside
        with pytest.raises(OverloadedError, match="2 photos wait"):
            made.submit([4, 5, 6])
        closing = asyncio.create_task(asyncio.to_thread(made.close))
        opened.set()
        assert await asyncio.gather(*waiting) == [-2, -4, -6, 2]
        await closing


async def test_an_item_that_waited_too_long_is_given_up() -> None:
    gate = Gate()
    async with batcher(gate, deadline_seconds=0.05) as made:
        running = made.submit([0])
        await asyncio.to_thread(gate.entered.wait, 10)
        late = made.submit([1])
        await asyncio.sleep(0.1)
        gate.opened.set()
        assert await running[0] == 0
        with pytest.raises(OverloadedError, match="waited"):
            await late[0]


async def test_a_costly_item_that_waited_too_long_for_its_turn_is_given_up() -> None:
    gate = Gate()
    async with batcher(gate, deadline_seconds=0.05, is_costly=lambda item: item < 0) as made:
        first, late = made.submit([-1, -2])
        await asyncio.to_thread(gate.entered.wait, 10)
        await asyncio.sleep(0.1)
        gate.opened.set()
        assert await first == -2
        with pytest.raises(OverloadedError, match="waited"):
            await late


async def test_a_costly_item_that_fails_fails_alone() -> None:
    def fail(items: Sequence[int]) -> list[int | Exception]:
        if items[0] < 0:
            raise RuntimeError("broken")
        return double(items)

    async with batcher(fail, is_costly=lambda item: item < 0) as made:
        costly, other = made.submit([-1, 1])
        assert await other == 2
        with pytest.raises(RuntimeError, match="broken"):
            await costly
        assert await made.submit([3])[0] == 6


async def test_an_item_whose_caller_has_gone_is_not_run() -> None:
    gate = Gate()
    async with batcher(gate) as made:
        running = made.submit([0])
        await asyncio.to_thread(gate.entered.wait, 10)
        made.submit([1])[0].cancel()
        last = made.submit([2])
        gate.opened.set()
        await asyncio.gather(*running, *last)
    assert [item for batch in gate.batches for item in batch] == [0, 2]


async def test_closing_answers_what_waits_and_refuses_what_comes() -> None:
    gate = Gate()
    async with batcher(gate) as made:
        running = made.submit([0, 1, 2])
        closing = asyncio.create_task(asyncio.to_thread(made.close))
        await asyncio.to_thread(gate.entered.wait, 10)

        def refuses() -> bool:
            try:
                made.submit([3])
            except NotReadyError:
                return True
            return False

        await until(refuses, "what comes is refused", every=0.01)
        gate.opened.set()
        assert await asyncio.gather(*running) == [0, 2, 4]
        await closing
