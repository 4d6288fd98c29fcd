"""S3 servers on a free port, over a temporary folder: MinIO, and a second one that shares none of its code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import httpx
from minio import Minio

from tests.servers import tools
from tests.servers.ports import free_ports
from tests.servers.process import GivenServer, ServerProcess, given

Kind = Literal["minio", "versitygw"]
ACCESS_KEY, SECRET_KEY = "tests", "tests-only-secret"
# MinIO encrypts only with a key; 32 bytes that protect nothing.
KMS_KEY = "tests:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class S3Server(ServerProcess):
    """A server without buckets; `env` are further variables."""

    def __init__(self, kind: Kind, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder / "data"
        self.folder.mkdir()
        port, console = free_ports(2)
        address = f"127.0.0.1:{port}"
        if kind == "minio":
            argv = [
                *(str(tools.find("minio")), "server", str(self.folder), "--quiet"),
                *("--address", address, "--console-address", f"127.0.0.1:{console}"),
            ]
            own = {
                "MINIO_ROOT_USER": ACCESS_KEY,
                "MINIO_ROOT_PASSWORD": SECRET_KEY,
                "MINIO_KMS_SECRET_KEY": KMS_KEY,
                "MINIO_BROWSER": "off",
                "MINIO_PROMETHEUS_AUTH_TYPE": "public",
            }
        else:
            for name in ("versions", "sidecar"):
                (folder / name).mkdir()
            argv = [
                *(str(tools.find("versitygw")), "--access", ACCESS_KEY, "--secret", SECRET_KEY, "--port", address),
                *("posix", "--versioning-dir", str(folder / "versions"), "--sidecar", str(folder / "sidecar")),
                str(self.folder),
            ]
            own = {}
        self._kind = kind
        super().__init__(argv, port, folder / "server.log", {**own, **(env or {})})
        self.start()

    def answers(self) -> bool:
        """Listening is not enough for MinIO, which then still reads its disks."""
        if self._kind == "minio":
            try:
                return httpx.get(f"http://127.0.0.1:{self.port}/minio/health/cluster", timeout=2).is_success
            except httpx.HTTPError:
                return False
        return super().answers()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def keys(self) -> dict[str, str]:
        return {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}

    def settings(self, **more: object) -> dict[str, object]:
        """The section `objects` of settings that lead here."""
        return {"url": self.url, "timeout_seconds": 3.0, **self.keys, **more}

    def client(self) -> Minio:
        """Somebody else's view of it."""
        address = httpx.URL(self.url)
        keys: dict[str, Any] = {**self.keys}
        return Minio(endpoint=f"{address.host}:{address.port}", secure=address.scheme == "https", **keys)


class GivenS3Server(GivenServer, S3Server):
    """A server that the environment names, with its keys: `TESTS_<NAME>_ACCESS_KEY` and `_SECRET_KEY`."""

    def __init__(self, url: str, name: str = "S3") -> None:
        self._url = url
        self._name = name
        self.port = httpx.URL(url).port or 443

    @property
    def url(self) -> str:
        return self._url

    @property
    def keys(self) -> dict[str, str]:
        return {"access_key": given(f"{self._name}_ACCESS_KEY"), "secret_key": given(f"{self._name}_SECRET_KEY")}
