"""A real API server on a free loopback port."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from dandelion.api.app import create_app
from dandelion.api.server import create_server, reserve_all
from dandelion.cli.main import main
from dandelion.inference.service import PredictionService
from dandelion.package.starter import starter_path
from dandelion.settings import Settings
from tests.servers.mysql import MySqlServer
from tests.servers.ports import free_ports
from tests.waiting import wait_until

Command = Callable[..., tuple[int, str, str]]
Environ = Callable[[str, Mapping[str, object]], None]


@pytest.fixture
def dandelion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command on a home of its own: status, output, errors."""
    monkeypatch.setenv("DANDELION_HOME", str(tmp_path))

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dandelion", *words])
        status = main()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@dataclass(frozen=True)
class Api:
    """A running server.

    Attributes:
        url: Where it answers.
        service: What it runs, for tests that look inside.
    """

    url: str
    service: PredictionService

    @property
    def address(self) -> tuple[str, int]:
        url = httpx.URL(self.url)
        return url.host, url.port or 0


@contextmanager
def running_api(settings: Settings) -> Iterator[Api]:
    """Serve in a thread of this process until the block ends."""
    listeners = reserve_all(settings)
    app = create_app(settings)
    server = create_server(app, settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": listeners}, daemon=True)
    thread.start()

    def started() -> bool:
        assert thread.is_alive(), "the server ended while it started"
        return server.started

    wait_until(started, "the server has started", every=0.02)
    try:
        yield Api(settings.api.url, app.state.service)
    finally:
        server.should_exit = True
        thread.join(30)
        for listener in listeners:
            listener.close()
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def make_settings(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Settings]:
    """Settings of a server of its own: free port, empty home, the starter model; sections by name."""

    def make(**sections: dict[str, object]) -> Settings:
        api: dict[str, object] = {"port": free_ports(1)[0], "body_timeout_seconds": 2.0, "max_files": 20}
        model: dict[str, object] = {"path": starter_path()}
        home: Path = tmp_path_factory.mktemp("home")
        return Settings.model_validate(
            {
                "home": home,
                **sections,
                "api": api | {"max_upload_bytes": 8 * 1024 * 1024} | sections.get("api", {}),
                "model": model | sections.get("model", {}),
            }
        )

    return make


@pytest.fixture(scope="session")
def api(make_settings: Callable[..., Settings]) -> Iterator[Api]:
    """One server with the starter model for the whole run."""
    with running_api(make_settings()) as running:
        yield running


@pytest.fixture
def http(api: Api) -> Iterator[httpx.Client]:
    """A client of that server."""
    with httpx.Client(base_url=api.url, timeout=30) as client:
        yield client


@pytest.fixture(params=["sqlite", "mysql", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where each kind of database is: empty, whatever tests before left on the servers, which are the run's."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/dandelion.db"
    server: MySqlServer = request.getfixturevalue(request.param)
    server.create("mlops_db")
    return server.url()


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> Environ:
    """Put a section of settings into the environment."""

    def put(section: str, values: Mapping[str, object]) -> None:
        for key, value in values.items():
            monkeypatch.setenv(f"DANDELION_{section}__{key}".upper(), str(value))

    return put
