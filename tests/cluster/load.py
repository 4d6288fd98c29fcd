"""Photos from inside the node's network, to Services and to the gateway, and what became of them.

python -m tests.cluster.load URL HOST PER_SECOND < a pipe that is closed when it is enough
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx

from tests.cluster.namespace import Namespace
from tests.photos import labelled_photos


@dataclass(frozen=True)
class Outcome:
    """What a load came to.

    Attributes:
        answered: Photos answered with 200.
        failures: What became of others.
        versions: How many each model version answered.
        p95_ms: 95 % of answers took no longer.
    """

    answered: int
    failures: list[str]
    versions: dict[str, int]
    p95_ms: float


class NodeLoad:
    """A steady stream of photos while a block runs; its outcome afterwards.

    Args:
        space: Whose network it comes from.
        url: Where to.
        host: The name that is asked for, where a gateway looks at it.
        per_second: Photos a second.
    """

    outcome: Outcome

    def __init__(self, space: Namespace, url: str, *, host: str = "", per_second: int = 10) -> None:
        self._argv = space.inside(sys.executable, "-m", "tests.cluster.load", url, host, str(per_second))

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [*map(str, self._argv)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        said, _ = self._process.communicate("", timeout=120)
        self.outcome = Outcome(**json.loads(said))


async def send_all(url: str, host: str, per_second: int) -> Outcome:
    """Send until standard input is closed. Connections are kept, as browsers and gateways keep them."""
    photos = [photo for _, photo in labelled_photos(4)]
    versions: Counter[str] = Counter()
    failures: list[str] = []
    seconds: list[float] = []
    enough = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    async def send(client: httpx.AsyncClient, number: int) -> None:
        started = time.perf_counter()
        headers = {"Content-Type": "image/jpeg", **({"Host": host} if host else {})}
        try:
            answer = await client.post("/predict", content=photos[number % len(photos)], headers=headers)
        except httpx.HTTPError as error:
            failures.append(repr(error))
            return
        seconds.append(time.perf_counter() - started)
        if answer.status_code == 200:
            versions[answer.json()["model"]["version"]] += 1
        else:
            failures.append(f"{answer.status_code} {answer.text[:200]}")

    number = 0
    async with httpx.AsyncClient(base_url=url, timeout=30) as client, asyncio.TaskGroup() as tasks:
        while not enough.done():
            tasks.create_task(send(client, number))
            number += 1
            await asyncio.sleep(1 / per_second)
    p95 = sorted(seconds)[int(len(seconds) * 0.95)] * 1000 if seconds else 0.0
    return Outcome(versions.total(), failures, dict(versions), round(p95, 1))


if __name__ == "__main__":
    found = asyncio.run(send_all(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    print(json.dumps({name: getattr(found, name) for name in Outcome.__dataclass_fields__}))
