"""A Prefect server over a file of its own, and a process that serves our flows."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.servers.ports import free_ports
from tests.servers.process import GivenServer, ServerProcess


class PrefectServer(ServerProcess):
    """A server that knows no flow."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        argv = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        env = {
            "PREFECT_HOME": str(folder),
            "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder}/prefect.db",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }
        super().__init__(argv, port, folder / "server.log", env)
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """The port is open before the tables are there."""
        try:
            return httpx.get(f"{self.url}/api/health", timeout=5).is_success
        except httpx.HTTPError:
            return False


class GivenPrefectServer(GivenServer, PrefectServer):
    """A server that the environment names."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.port = httpx.URL(url).port or 443

    @property
    def url(self) -> str:
        return self._url


class FlowsProcess(ServerProcess):
    """`dandelion flows serve`, whose runs are processes of their own beside it."""

    def __init__(self, prefect: PrefectServer, log: Path, env: Mapping[str, str]) -> None:
        self._prefect = prefect
        argv = [sys.executable, "-m", "dandelion", "flows", "serve"]
        super().__init__(argv, prefect.port, log, {"DANDELION_PREFECT__URL": prefect.url, **env})

    def answers(self) -> bool:
        """Its flows are registered."""
        url = f"{self._prefect.url}/api/deployments/name/retrain/retrain"
        return "Flows are served" in self._log.read_text() and httpx.get(url, timeout=5).is_success

    def kill_run(self) -> int:
        """Kill the process of a run, as a node does that is out of memory; return its id."""
        assert self._process is not None
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                    command = (entry / "cmdline").read_bytes()
                except OSError:
                    continue  # it ended meanwhile
                if parent == self._process.pid and b"prefect" in command:
                    os.kill(int(entry.name), signal.SIGKILL)
                    return int(entry.name)
        raise AssertionError("no run goes on")
