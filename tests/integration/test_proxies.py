"""Every kind of HTTP, straight and behind real proxies: nginx as docs/serving.md sets it up, and Envoy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from dandelion.http.connections import BoundedConnection
from dandelion.settings import Settings
from tests.integration.conftest import Api, running_api
from tests.integration.http_kinds import KINDS, Way, replay
from tests.photos import jpeg
from tests.servers.envoy import Envoy
from tests.servers.nginx import Nginx

PROXIES = ("nginx", "envoy")
Address = tuple[str, int]


@pytest.fixture(scope="module")
def behind(make_settings: Callable[..., Settings]) -> Iterator[Api]:
    """A server that trusts the proxies of this machine."""
    with running_api(make_settings(api={"trusted_proxies": ("127.0.0.1",), "trust_forwarded_prefix": True})) as running:
        yield running


@pytest.fixture(scope="module")
def straight(api: Api) -> Address:
    return api.address


@pytest.fixture(scope="module")
def nginx(behind: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    server = Nginx(tmp_path_factory.mktemp("nginx"), behind.address[1])
    yield "127.0.0.1", server.port
    server.end()


@pytest.fixture(scope="module")
def envoy(behind: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    server = Envoy(tmp_path_factory.mktemp("envoy"), behind.address[1])
    yield "127.0.0.1", server.port
    server.end()


@pytest.mark.parametrize("way", ["straight", *PROXIES])
@pytest.mark.parametrize("name", KINDS)
def test_every_request_gets_its_response(request: pytest.FixtureRequest, name: str, way: Way) -> None:
    kind = KINDS[name]
    expected = kind.statuses(way)
    replies = replay(request.getfixturevalue(way), kind.sent, len(expected))
    assert tuple(each.status for each in replies) == expected
    assert kind.holds in replies[-1].body or expected != kind.straight


@pytest.mark.parametrize("way", PROXIES)
def test_a_proxy_reuses_its_connection(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    host, port = request.getfixturevalue(way)
    made, accept = list[BoundedConnection](), BoundedConnection.connection_made

    def counted(connection: BoundedConnection, transport: asyncio.Transport) -> None:
        made.append(connection)
        accept(connection, transport)

    with httpx.Client(base_url=f"http://{host}:{port}") as http:
        http.get("/livez")
        monkeypatch.setattr(BoundedConnection, "connection_made", counted)
        for _ in range(10):
            assert http.post("/predict", content=jpeg()).json()["label"]
            assert http.post("/predict", content=b"hello").status_code == 400
            assert http.head("/model").content == b""
            assert http.get("/nowhere").status_code == 404
        assert not made
        assert http.post("/predict", content=bytes(9_000_000)).status_code == 413  # which ends a connection
        assert http.get("/livez").status_code == 200
        assert len(made) == 1


@pytest.mark.parametrize("create", [Nginx, Envoy])
def test_a_server_under_a_path_knows_it(
    request: pytest.FixtureRequest, behind: Api, tmp_path: Path, create: type[Nginx | Envoy]
) -> None:
    server = create(tmp_path, behind.address[1], "/dandelion")
    request.addfinalizer(server.end)
    forged = {"X-Forwarded-Prefix": "/evil"}
    with httpx.Client(base_url=server.url, headers=forged) as http:
        assert http.get("/").json()["docs"] == "/dandelion/docs"
        assert http.get("/openapi.json").json()["servers"] == [{"url": "/dandelion"}]
        page = http.get("/docs")
        assert 'src="/dandelion/docs/assets/swagger-ui-bundle.js"' in page.text
        assert "/evil" not in page.text
        assert http.get("/docs/assets/swagger-ui.css").status_code == 200
        assert http.get("/docs/").status_code == 200
        assert http.head("/model").status_code == 200
        assert http.post("/predict", files={"file": jpeg()}).json()["label"]
        assert http.get(f"http://127.0.0.1:{server.port}/livez").status_code == 404
