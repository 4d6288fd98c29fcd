"""Runs child processes: restarts them, and stops them with their parent."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from dandelion.concurrency.tasks import end_all

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STABLE_SECONDS = 60.0
STOP_SECONDS = 4.0

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One child process.

    Attributes:
        name: Name for people.
        argv: Command line.
        url: Address for people.
        health_url: Returns 2xx once the part works.
        env: Added to the environment.
        after: Command that must end before each start of the part.
        waits_for: Name of a part that must be healthy before this one starts, so that the important parts come first.
    """

    name: str
    argv: Sequence[str]
    url: str
    health_url: str
    env: Mapping[str, str] = field(default_factory=dict)
    after: Sequence[str] = ()
    waits_for: str = ""


class Supervisor:
    """Starts parts, restarts them with growing pauses when they die, and stops all of them.

    Args:
        parts: What to run.
        logs: Folder of the log files, one per part.
        say: Called with a line of text for each event.
    """

    def __init__(self, parts: Sequence[Part], logs: Path, say: Callable[[str], None]) -> None:
        self._parts = parts
        self._logs = logs
        self._say = say
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._healthy = {part.name: asyncio.Event() for part in parts}

    def start(self) -> None:
        """Start every part; each runs until `stop`."""
        self._logs.mkdir(parents=True, exist_ok=True)
        works = (self._keep, self._answers)
        self._tasks = [asyncio.create_task(work(part)) for part in self._parts for work in works]

    async def wait_until_healthy(self, name: str) -> None:
        """Return once that part is healthy for the first time."""
        await self._healthy[name].wait()

    async def stop(self) -> None:
        """Stop every part: SIGTERM, and SIGKILL after `STOP_SECONDS`."""
        await end_all(self._tasks)
        for process in self._processes.values():
            _signal_group(process, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.gather(*(process.wait() for process in self._processes.values()))
        for process in self._processes.values():
            _signal_group(process, signal.SIGKILL)  # also what a part left behind in its group
            await process.wait()

    async def _keep(self, part: Part) -> None:
        if part.waits_for:
            await self._healthy[part.waits_for].wait()
        pause = FIRST_PAUSE_SECONDS
        while True:
            started = time.monotonic()
            if part.after and await self._run(part, part.after):
                self._say(f"{part.name}: preparing it failed; {self._tail(part)}")
            else:
                status = await self._run(part, part.argv)
                self._say(f"{part.name} ended ({_describe(status)}); {self._tail(part)}")
            if time.monotonic() - started > STABLE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._say(f"{part.name} restarts in {pause:g} s.")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _run(self, part: Part, argv: Sequence[str]) -> int:
        with self._log(part).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **part.env},
                # A session of its own: a Ctrl-C in the terminal reaches only the supervisor, which then stops the
                # process group of each part.
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        self._processes[part.name] = process
        return await process.wait()

    async def _answers(self, part: Part) -> None:
        async with httpx.AsyncClient(timeout=2) as http:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await http.get(part.health_url)).is_success:
                        break
                await asyncio.sleep(0.1)
        self._healthy[part.name].set()

    def _log(self, part: Part) -> Path:
        return self._logs / f"{part.name.lower().replace(' ', '-')}.log"

    def _tail(self, part: Part) -> str:
        lines = self._log(part).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
        return f"its log {self._log(part)} ends with:\n  " + "\n  ".join(lines or ["(nothing)"])


def _signal_group(process: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)  # the leader of its session leads its group


def _die_with_parent() -> None:
    """Let the kernel stop this child when its parent dies, even by SIGKILL."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _describe(status: int) -> str:
    return f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"
