"""A network of its own on this machine, and the servers that run inside it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from tests.waiting import wait_until

P = ParamSpec("P")
R = TypeVar("R")
CLONE_NEWNET = 0x40000000


class ServerDiedError(Exception):
    """A server that did not come up; with the end of its log."""


class Namespace:
    """A network namespace with one address that this machine reaches, and a folder for what runs in it.

    Nothing inside reaches out, and nothing of it shows in the machine's own network but one link.

    Args:
        name: Tells several apart; at most nine letters.
        network: The first three numbers of its addresses, from a range that is kept for such tests (RFC 2544).
        folder: State, logs and process ids; gone after `remove`.
    """

    def __init__(self, name: str, network: str, folder: Path) -> None:
        self.name = f"dandelion-{name}"
        self.host, self.address = f"{network}.1", f"{network}.2"
        self.folder = folder
        self._link = f"dand-{name}"
        self._started: list[subprocess.Popen[bytes]] = []
        self._inside: ThreadPoolExecutor | None = None

    @property
    def exists(self) -> bool:
        return Path("/run/netns", self.name).exists()

    def create(self) -> None:
        """Make it, empty."""
        for each in ("log", "run"):
            (self.folder / each).mkdir(parents=True)
        self.folder.chmod(0o755)
        quick("ip", "netns", "add", self.name)
        quick("ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        quick("ip", "addr", "add", f"{self.host}/30", "dev", self._link)
        quick("ip", "link", "set", self._link, "up")
        for command in (f"addr add {self.address}/30 dev eth0", "link set eth0 up", "link set lo up"):
            quick(*self.inside("ip", *command.split()))

    def inside(self, *argv: object) -> list[str]:
        """The command line that runs another one inside."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *map(str, argv)]

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What a function returns whose connections begin inside.

        It runs in a thread that stays inside: a process of Python for every request takes half a second of a core.
        """
        if self._inside is None:
            self._inside = ThreadPoolExecutor(1, self.name, self._enter)
        return self._inside.submit(function, *args, **kwargs).result()

    def start(self, name: str, *argv: object) -> None:
        """Start a server."""
        with (self.folder / "log" / name).open("ab") as log:
            process = subprocess.Popen(
                self.inside(*argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._started.append(process)
        (self.folder / "run" / name).write_text(str(process.pid))

    def runs(self, name: str) -> bool:
        """Whether a server of this name was started, and runs."""
        file = self.folder / "run" / name
        return file.exists() and _runs(int(file.read_text()))

    def wait_for(self, server: str, ready: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until it is ready.

        Raises:
            ServerDiedError: It is not after so long.
        """
        try:
            wait_until(ready, f"{server} is up", seconds=seconds, every=0.2)
        except AssertionError as late:
            log = (self.folder / "log" / server).read_text(errors="replace")
            raise ServerDiedError(f"{server}: {late}; its log ends with\n{log[-2000:]}") from late

    def stop(self, *names: str) -> None:
        """End servers, by force those that do not listen."""
        files = [self.folder / "run" / name for name in names] if names else [*self.folder.glob("run/*")]
        pids = [int(file.read_text()) for file in files if file.exists()]
        for number in (signal.SIGTERM, signal.SIGKILL):
            running = [pid for pid in pids if _send(pid, number)]
            with suppress(AssertionError):
                wait_until(lambda: not any(_runs(pid) for pid in running), "they end", seconds=5)  # noqa: B023 -- runs here
        for file in files:
            file.unlink(missing_ok=True)
        for process in self._started:
            process.poll()

    def remove(self) -> None:
        """End all that runs inside, and forget the rest."""
        self.stop()
        if self._inside is not None:
            self._inside.shutdown()
            self._inside = None
        if self.exists:
            left = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False)
            for pid in left.stdout.split():
                _send(int(pid), signal.SIGKILL)
        for process in self._started:
            process.wait(30)
        self._started.clear()
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((each for each in mounts if Path(each).is_relative_to(self.folder)), reverse=True):
            quick("umount", "-l", mount, check=False)
        quick("ip", "netns", "del", self.name, check=False)
        quick("ip", "link", "del", self._link, check=False)
        quick("rm", "-rf", self.folder)

    def _enter(self) -> None:
        """Have this thread stand inside, as Python's own `os.setns` does from 3.12 on."""
        with Path("/run/netns", self.name).open() as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"cannot enter {self.name}")


def quick(*argv: object, check: bool = True, given: str | None = None) -> str:
    """What a command printed.

    Raises:
        subprocess.CalledProcessError: It failed, with what it said as a note.
    """
    done = subprocess.run([*map(str, argv)], capture_output=True, text=True, check=False, input=given)
    if check and done.returncode:
        error = subprocess.CalledProcessError(done.returncode, [*map(str, argv)], done.stdout, done.stderr)
        error.add_note((done.stdout + done.stderr)[-3000:])
        raise error
    return done.stdout


def _send(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _runs(pid: int) -> bool:
    """Whether it still runs; a dead child that nobody has asked for counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
