"""A steady stream of photos that remembers what was acknowledged."""

from __future__ import annotations

import asyncio
import threading
import time

import httpx

from tests.photos import jpeg

JPEG = {"Content-Type": "image/jpeg"}


class SteadyLoad:
    """50 photos a second, whatever comes back; remembers what was acknowledged."""

    def __init__(self, url: str, per_second: int = 50) -> None:
        self.acknowledged: list[str] = []
        self.failures: list[str] = []
        self.answered: list[tuple[float, float]] = []  # when each request left, and how many seconds its answer took
        self._url, self._interval = url, 1 / per_second
        # Made once: a client that is busy drawing would count as a slow server.
        self._photo = jpeg()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> SteadyLoad:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def p95_ms(self, away: tuple[float, float] = (0, 0)) -> float:
        """Of the requests that did not leave while the server was away: they wait at its door as it starts."""
        seconds = sorted(seconds for left, seconds in self.answered if not away[0] <= left <= away[1])
        return seconds[int(len(seconds) * 0.95)] * 1000

    async def _run(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=30) as client, asyncio.TaskGroup() as tasks:
            while not self._stop.is_set():
                tasks.create_task(self._send(client))
                await asyncio.sleep(self._interval)

    async def _send(self, client: httpx.AsyncClient) -> None:
        started = time.perf_counter()
        try:
            answer = await client.post("/predict", content=self._photo, headers=JPEG)
        except httpx.HTTPError as error:
            self.failures.append(repr(error))
            return
        self.answered.append((started, time.perf_counter() - started))
        if answer.status_code == 200:
            self.acknowledged.append(answer.json()["prediction_id"])
        else:
            self.failures.append(answer.text)
