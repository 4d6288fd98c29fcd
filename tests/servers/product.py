"""The product as a user runs it: processes, ports, folders of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.servers.ports import free_ports
from tests.waiting import wait_until

START_SECONDS = 300  # machines are shared


@dataclass
class Running:
    """A `dandelion` process.

    Attributes:
        process: The process itself.
        url: Where its API answers.
        page_url: Where its web page answers.
        home: Its home folder.
        output: File of what it printed.
        env: Its environment, for commands beside it.
    """

    process: subprocess.Popen[bytes]
    url: str
    page_url: str
    home: Path
    output: Path
    env: dict[str, str]

    def wait_for(self, path: str, seconds: float = START_SECONDS, url: str = "") -> float:
        """Seconds until `path` of the API, or of what is at `url`, answers 200."""

        def answers() -> bool:
            assert self.process.poll() is None, self.output.read_text()
            return httpx.get((url or self.url) + path, timeout=2).status_code == 200

        return wait_until(
            answers,
            lambda: f"{path} answers; it said {self.output.read_text()}",
            seconds=seconds,
            not_yet=(httpx.HTTPError,),
        )

    def wait_for_output(self, text: str, seconds: float = START_SECONDS) -> None:
        """Wait until the process has printed `text`."""
        wait_until(
            lambda: text in self.output.read_text(),
            lambda: f"{text!r} is not in {self.output.read_text()!r}",
            seconds=seconds,
        )

    def end(self) -> None:
        """Stop it, if it runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

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


class Launcher:
    """Starts `dandelion WORDS...` on free ports and an empty home, and ends what runs still."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Running] = []

    def __call__(self, *words: str, home: Path | None = None, **env: str) -> Running:
        number = len(self._started)
        api, mlflow, ui, prefect = free_ports(4)
        environment = {
            **os.environ,
            "DANDELION_HOME": str(home or self._folder / f"home-{number}"),
            "DANDELION_API__PORT": str(api),
            "DANDELION_REGISTRY__PORT": str(mlflow),
            "DANDELION_UI__PORT": str(ui),
            "DANDELION_PREFECT__PORT": str(prefect),
            "DANDELION_MODEL__POLL_SECONDS": "0.5",
            "COLUMNS": "200",
            **env,
        }
        output = self._folder / f"output-{number}.txt"
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "dandelion", *words], env=environment, stdout=stream, stderr=stream
            )
        running = Running(
            process=process,
            url=f"http://127.0.0.1:{environment['DANDELION_API__PORT']}",
            page_url=f"http://127.0.0.1:{environment['DANDELION_UI__PORT']}",
            home=Path(environment["DANDELION_HOME"]),
            output=output,
            env=environment,
        )
        self._started.append(running)
        return running

    def end(self) -> None:
        """End all of it."""
        for running in self._started:
            running.end()
