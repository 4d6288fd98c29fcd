"""A server in a process of its own, that can be stopped, killed, frozen and started again on the same port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.waiting import wait_until

START_SECONDS = 180


def given(name: str) -> str:
    """A server that the contributor has running: `TESTS_<NAME>`, or nothing."""
    return os.environ.get(f"TESTS_{name}", "")


class GivenServer:
    """A server that is not ours to start or stop; put before the class of those that are."""

    def start(self) -> None:
        """It runs."""

    def stop(self) -> None:
        pytest.skip("this test stops its server, and the one that the environment names is not ours to stop")

    kill = stop

    def end(self) -> None:
        """It goes on."""


class ServerProcess:
    """What every server of the tests shares.

    Args:
        argv: How it is started.
        port: The loopback port that it listens on.
        log: File of what it prints.
        env: Added to the environment.
    """

    def __init__(self, argv: Sequence[str], port: int, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.port = port
        self.niceness = 0  # of the next start: a server that has another machine in a cluster may step back on this one
        self._argv = argv
        self._log = log
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it takes connections."""
        with self._log.open("ab") as stream:
            argv = ["nice", "-n", str(self.niceness), *self._argv] if self.niceness else self._argv
            # A group of its own, so that its workers are killed with it.
            process = subprocess.Popen(argv, stdout=stream, stderr=stream, env=self._env, start_new_session=True)
        self._process = process

        def answers() -> bool:
            assert process.poll() is None, self._log.read_text()[-3000:]
            return self.answers()

        wait_until(answers, lambda: self._log.read_text()[-3000:], seconds=START_SECONDS)

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def end(self) -> None:
        """Be gone after the tests, whatever state they left."""
        self.stop()

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            if number == signal.SIGKILL:
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)
            self._process.wait(60)
            self._process = None
