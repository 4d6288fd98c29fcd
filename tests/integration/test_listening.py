"""Where servers listen, under which path, and how long a connection lasts: what the chart relies on in a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from dandelion.api.grpc import open_inference_pb2 as pb
from dandelion.api.grpc import server
from dandelion.http import connections
from dandelion.settings import Settings
from tests.integration.conftest import Api, running_api
from tests.integration.grpc_client import connected as grpc_connected
from tests.integration.http_kinds import LIVE
from tests.photos import jpeg
from tests.servers.ports import free_ports
from tests.servers.product import Launcher
from tests.wire import connected

LOOPBACKS = ("127.0.0.1", "[::1]")


@pytest.fixture(scope="module")
def published(make_settings: Callable[..., Settings]) -> Iterator[Api]:
    """Under a path that an Ingress or a Gateway does not remove, and that the page leaves out."""
    with running_api(make_settings(api={"root_path": "/dandelion/api"})) as running:
        yield running


@pytest.mark.parametrize("prefix", ["", "/dandelion/api"])
def test_a_server_under_a_path_is_asked_with_it_and_without(published: Api, prefix: str) -> None:
    with httpx.Client(base_url=published.url) as http:
        assert http.get(f"{prefix}/readyz").status_code == 200
        assert http.get(f"{prefix}/").json()["docs"] == "/dandelion/api/docs"
        assert 'src="/dandelion/api/docs/assets/' in http.get(f"{prefix}/docs").text
        assert http.post(f"{prefix}/predict", content=jpeg()).status_code == 200
        assert http.get(f"{prefix}/nowhere").status_code == 404


def test_the_path_alone_is_the_server_s_root(published: Api) -> None:
    assert httpx.get(f"{published.url}/dandelion/api").json()["docs"] == "/dandelion/api/docs"
    assert httpx.get(f"{published.url}/dandelion/apis").status_code == 404


def test_an_old_connection_ends_with_a_response_that_says_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that keeps its connection would otherwise stay with a canary at 0 %, or miss replicas that are new."""
    monkeypatch.setattr(connections, "CONNECTION_SECONDS", 0.2)
    with httpx.Client(base_url=api.url) as http:
        started = time.monotonic()
        first = http.get("/livez")
        assert "connection" not in first.headers or time.monotonic() - started > 0.2
        last = first
        while "connection" not in last.headers:
            last = http.get("/livez")
            assert time.monotonic() - started < 30
        assert last.headers["connection"] == "close"
        assert time.monotonic() - started > 0.2
        assert http.get("/livez").status_code == 200  # on another one


def test_a_connection_that_was_idle_for_long_ends_with_its_next_response(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(api.address) as wire:
        wire.send(LIVE + b"\r\n")
        assert "connection" not in wire.read().headers
        monkeypatch.setattr(connections, "CONNECTION_SECONDS", -1)
        wire.send(LIVE + b"\r\n")
        last = wire.read()
        assert (last.status, last.headers["connection"]) == (200, "close")
        assert wire.rest() == b""


def test_an_old_connection_ends_behind_the_last_request_that_waits(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECTION_SECONDS", -1)
    with connected(api.address) as wire:
        wire.send(3 * (LIVE + b"\r\n"))
        answers = wire.read_all()
    assert [each.status for each in answers] == [200, 200, 200]
    assert [each.headers.get("connection") for each in answers] == [None, None, "close"]


def test_grpc_connections_end_too_and_cut_streams_that_would_never(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTION_SECONDS", 0.5)
    monkeypatch.setattr(server, "_GRACE_SECONDS", 1)
    (port,) = free_ports(1)
    with running_api(make_settings(grpc={"port": port})), grpc_connected(port) as client:
        health: Any = HealthStub(client.channel)
        watch = health.Watch(HealthCheckRequest(), timeout=30)
        assert next(watch).status == HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            next(watch)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert client.call(pb.ServerLiveRequest(), pb.ServerLiveResponse).live  # over another one


def test_the_api_listens_on_addresses_of_both_families(make_settings: Callable[..., Settings]) -> None:
    (port,) = free_ports(1)
    settings = make_settings(api={"host": "::"}, grpc={"port": port})
    with running_api(settings):
        for loopback in LOOPBACKS:
            assert httpx.get(f"http://{loopback}:{settings.api.port}/readyz").status_code == 200
            with grpc.insecure_channel(f"{loopback}:{port}") as channel:
                grpc.channel_ready_future(channel).result(timeout=10)


def test_the_page_listens_on_addresses_of_both_families(tmp_path_factory: pytest.TempPathFactory) -> None:
    launch = Launcher(tmp_path_factory.mktemp("page"))
    try:
        page = launch("ui", DANDELION_UI__HOST="::", DANDELION_UI__ROOT_PATH="/dandelion")
        page.wait_for("/livez", url=page.page_url)
        port = httpx.URL(page.page_url).port
        for loopback in LOOPBACKS:
            root = f"http://{loopback}:{port}/dandelion"
            assert httpx.get(f"{root}/en/").status_code == 200
            assert httpx.get(root, follow_redirects=False).headers["location"] == "/dandelion/en/"
    finally:
        launch.end()
