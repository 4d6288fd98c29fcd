"""The product as a user runs it: processes, ports, folders of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.servers.ports import free_ports


@dataclass
class Running:
    """A `dandelion` process.

    Attributes:
        process: The process itself.
        url: Where its API answers.
        home: Its home folder.
        output: File of what it printed.
        env: Its environment, for commands beside it.
    """

    process: subprocess.Popen[bytes]
    url: str
    home: Path
    output: Path
    env: dict[str, str]

    def wait_for(self, path: str, seconds: float = 60) -> float:
        """Seconds until `path` answers 200."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            try:
                if httpx.get(self.url + path, timeout=2).status_code == 200:
                    return time.monotonic() - started
            except httpx.HTTPError:
                pass  # not up yet
            assert self.process.poll() is None, self.output.read_text()
            time.sleep(0.05)
        raise AssertionError(f"{path} did not answer: {self.output.read_text()}")

    def wait_for_output(self, text: str, seconds: float = 60) -> None:
        """Wait until the process has printed `text`."""
        deadline = time.monotonic() + seconds
        while text not in self.output.read_text():
            assert time.monotonic() < deadline, f"{text!r} not in {self.output.read_text()!r}"
            time.sleep(0.05)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another `dandelion` command on the same home folder."""
        argv = [sys.executable, "-m", "dandelion", *words]
        return subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=300, check=False)


def processes_of(home: Path) -> list[int]:
    """Processes whose environment names `home` as Dandelion's."""
    marker = f"DANDELION_HOME={home}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                if marker in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue  # it ended meanwhile, or is not ours
    return found


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start `dandelion WORDS...` on free ports and an empty home; whatever runs still is ended after the test."""
    started: list[Running] = []

    def start(*words: str, home: Path | None = None, **env: str) -> Running:
        api, mlflow = free_ports(2)
        folder = home or tmp_path / f"home-{len(started)}"
        environment = {
            **os.environ,
            "DANDELION_HOME": str(folder),
            "DANDELION_API__PORT": str(api),
            "DANDELION_REGISTRY__PORT": str(mlflow),
            "DANDELION_MODEL__POLL_SECONDS": "0.5",
            "COLUMNS": "200",
            **env,
        }
        output = tmp_path / f"output-{len(started)}.txt"
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "dandelion", *words], env=environment, stdout=stream, stderr=stream
            )
        port = environment["DANDELION_API__PORT"]
        running = Running(process, f"http://127.0.0.1:{port}", folder, output, environment)
        started.append(running)
        return running

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGTERM)
            try:
                running.process.wait(15)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
