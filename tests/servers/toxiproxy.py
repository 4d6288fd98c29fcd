"""Toxiproxy: a port before a server, whose connections can be delayed, held and cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.servers import tools
from tests.servers.ports import free_ports
from tests.servers.process import ServerProcess


class Proxy:
    """One port that leads to another."""

    def __init__(self, api: str, name: str, port: int) -> None:
        self.port = port
        self._url = f"{api}/proxies/{name}"

    def delay(self, seconds: float) -> None:
        """Let every answer take so much longer."""
        self._add("latency", latency=int(seconds * 1000))

    def hold(self) -> None:
        """Take connections and let nothing through, as a network does that drops packets."""
        self._add("timeout", timeout=0)

    def throttle(self, bytes_per_second: int) -> None:
        """Let answers through drop by drop."""
        self._add("bandwidth", rate=max(1, bytes_per_second // 1024))

    def cut(self) -> None:
        """Close all connections, and refuse new ones."""
        httpx.post(self._url, json={"enabled": False}).raise_for_status()

    def heal(self) -> None:
        """Be a plain connection again."""
        for toxic in httpx.get(f"{self._url}/toxics").raise_for_status().json():
            httpx.delete(f"{self._url}/toxics/{toxic['name']}").raise_for_status()
        httpx.post(self._url, json={"enabled": True}).raise_for_status()

    def _add(self, kind: str, **attributes: Any) -> None:
        for stream in ("downstream", "upstream") if kind == "timeout" else ("downstream",):
            body = {"type": kind, "stream": stream, "attributes": attributes}
            httpx.post(f"{self._url}/toxics", json=body).raise_for_status()


class Toxiproxy(ServerProcess):
    """The proxies' own server."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        argv = [str(tools.find("toxiproxy")), "-host", "127.0.0.1", "-port", str(port)]
        super().__init__(argv, port, folder / "server.log")
        self.start()
        self._url = f"http://127.0.0.1:{port}"

    def before(self, name: str, port: int) -> Proxy:
        """A proxy before the server on `port`."""
        (listen,) = free_ports(1)
        body = {"name": name, "listen": f"127.0.0.1:{listen}", "upstream": f"127.0.0.1:{port}", "enabled": True}
        httpx.post(f"{self._url}/proxies", json=body).raise_for_status()
        return Proxy(self._url, name, listen)
