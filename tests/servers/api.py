"""The API as a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import httpx

from tests.servers.ports import free_ports
from tests.servers.process import ServerProcess


class ApiProcess(ServerProcess):
    """`dandelion serve`."""

    def __init__(self, home: Path, env: dict[str, str]) -> None:
        (port,) = free_ports(1)
        argv = [sys.executable, "-m", "dandelion", "serve", "--port", str(port)]
        super().__init__(argv, port, home.with_suffix(".log"), {"DANDELION_HOME": str(home), **env})
        self.url = f"http://127.0.0.1:{port}"

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def terminate(self) -> None:
        """Begin to stop; `wait` tells how it ended."""
        assert self._process is not None
        self._process.terminate()

    def wait(self) -> int:
        """The exit status, once it has stopped."""
        assert self._process is not None
        return self._process.wait(60)

    def memory_bytes(self) -> int:
        """What it holds in memory now."""
        assert self._process is not None
        return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def forget_peak(self) -> None:
        """Let `peak_bytes` begin anew."""
        assert self._process is not None
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def peak_bytes(self) -> int:
        """The most that it held in memory."""
        assert self._process is not None
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
