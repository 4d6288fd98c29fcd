"""A stream of real photos with a label, that can be spoilt in many ways while it runs."""

from __future__ import annotations

import asyncio
import io
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence

import httpx
import numpy as np
from PIL import Image

from tests.pictures import SPOILT, encode, unrelated

JPEG = {"Content-Type": "image/jpeg"}


class Traffic:
    """Photos from `photos` in random order, so many a second, to every server in turn.

    Args:
        urls: Servers.
        photos: Encoded.
        per_second: How many.
    """

    def __init__(self, urls: Sequence[str], photos: Sequence[bytes], per_second: float) -> None:
        self._urls, self._photos, self._per_second = urls, photos, per_second
        self._choose = random.Random(0)  # noqa: S311 -- the same photos every time
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.spoil: Callable[[bytes], bytes] = bytes
        self.lie = False
        self.dawdle_seconds = 0.0
        self.answered = 0
        self.seconds: list[float] = []
        self.failures: list[str] = []

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def slowest_p95(self, together: int = 40) -> float:
        """The 95th percentile of so many answers in a row, where it was longest, seconds."""
        spells = [self.seconds[at : at + together] for at in range(0, len(self.seconds), together)]
        return max((sorted(spell)[int(len(spell) * 0.95)] for spell in spells), default=0.0)

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=30) as client, asyncio.TaskGroup() as tasks:
            number = 0
            while not self._stop.is_set():
                tasks.create_task(self._send(client, self._urls[number % len(self._urls)]))
                number += 1
                await asyncio.sleep(1 / self._per_second)

    async def _send(self, client: httpx.AsyncClient, url: str) -> None:
        photo = self._choose.choice(self._photos)
        body = self.spoil(photo)
        dawdle = self.dawdle_seconds
        started = time.monotonic()
        try:
            answer = await client.post(
                f"{url}/predict", content=_slowly(body, dawdle) if dawdle else body, headers=JPEG
            )
            if answer.status_code != 200:
                self.failures.append(answer.text)
                return
            self.answered += 1
            self.seconds.append(time.monotonic() - started)
            given = answer.json()
            # The label as people see it: what the model says, nearly always. Real mistakes are another test's matter.
            true_label = next(name for name in given["probabilities"] if (name != given["label"]) == self.lie)
            await client.post(f"{url}/feedback", json={"prediction_id": given["prediction_id"], "label": true_label})
        except httpx.HTTPError as error:
            self.failures.append(repr(error))


async def _slowly(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    """A body whose second half comes late."""
    yield body[: len(body) // 2]
    await asyncio.sleep(seconds)
    yield body[len(body) // 2 :]


def spoiler(kind: str) -> Callable[[bytes], bytes]:
    """What makes of a photo another one of that kind, quickly: each is made once."""
    made: dict[bytes, bytes] = {}
    rng = np.random.default_rng(0)
    others = [encode(picture) for picture in unrelated(60, 3)] if kind == "other subject" else []

    def spoil(photo: bytes) -> bytes:
        if photo not in made:
            if others:
                made[photo] = others[len(made) % len(others)]
            else:
                made[photo] = encode(SPOILT[kind](Image.open(io.BytesIO(photo)).convert("RGB"), rng))
        return made[photo]

    return spoil
