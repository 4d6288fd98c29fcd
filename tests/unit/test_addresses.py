"""Addresses of servers, and of proxies."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from dandelion.cli.up import addresses_of, parts_of, ports_of
from dandelion.http.addresses import trusted_peers, url_of
from dandelion.settings import Settings, UiSettings


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_a_server_is_found_by_what_it_listens_on(host: str, url: str) -> None:
    assert url_of(host, 8000) == url


def test_figures_are_asked_of_the_port_for_monitoring_where_the_api_is_beside_the_page() -> None:
    apart = Settings.model_validate({"api": {"monitoring_port": 9100}})
    assert (apart.api_url, apart.pods_url) == ("http://127.0.0.1:8000", "http://127.0.0.1:9100")
    elsewhere = apart.model_copy(update={"ui": UiSettings(api_url="http://api:8000")})
    assert (elsewhere.api_url, elsewhere.pods_url) == ("http://api:8000", "http://api:8000")
    named = apart.model_copy(update={"ui": UiSettings(pods_url="http://pods:9100")})
    assert (named.api_url, named.pods_url) == ("http://127.0.0.1:8000", "http://pods:9100")


def test_every_part_may_listen_on_an_address_of_ipv6() -> None:
    sections = ("api", "ui", "registry", "prefect")
    parts = parts_of(Settings.model_validate({name: {"host": "::1"} for name in sections}))
    assert len(parts) == 5
    for part in parts:
        assert part.health_url.startswith("http://[::1]:")


@pytest.mark.parametrize(
    ("section", "host", "address"),
    [
        ({}, "127.0.0.1", "127.0.0.1:8001 (not encrypted)"),
        ({"host": "::1", "tls_certificate": "a", "tls_key": "b"}, "::1", "[::1]:8001 (encrypted)"),
    ],
)
def test_the_port_of_grpc_is_checked_and_told(section: dict[str, object], host: str, address: str) -> None:
    settings = Settings.model_validate({"grpc": {"port": 8001, **section}})
    assert (host, 8001, "DANDELION_GRPC__PORT") in ports_of(settings)
    told = io.StringIO()
    Console(width=200, file=told).print(addresses_of(parts_of(settings), settings, 1.0))
    assert f"gRPC           {address}" in told.getvalue()
    assert not [each for each in ports_of(Settings()) if "GRPC" in each[2]]


async def caller_of(peer: str, proxies: list[str]) -> str:
    """Whom uvicorn takes for the caller where `peer` says that it is 203.0.113.9."""
    seen: list[str] = []

    async def app(scope: Any, *_: object) -> None:
        seen.append(scope["client"][0])

    scope = {"type": "http", "client": (peer, 1), "headers": [(b"x-forwarded-for", b"203.0.113.9")]}
    believing: Any = ProxyHeadersMiddleware(app, trusted_peers(proxies))
    await believing(scope, None, None)
    return seen[0]


@pytest.mark.parametrize("proxy", ["10.1.2.3", "10.0.0.0/8", "10.9.9.9/8", "10.0.0.0/255.0.0.0", "*"])
@pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3"])
async def test_a_proxy_is_believed_whichever_socket_it_comes_by(proxy: str, peer: str) -> None:
    assert await caller_of(peer, ["192.0.2.1", proxy]) == "203.0.113.9"


@pytest.mark.parametrize("peer", ["11.1.2.3", "::ffff:11.1.2.3", "::a01:203"])
async def test_who_comes_from_elsewhere_is_not_believed(peer: str) -> None:
    assert await caller_of(peer, ["10.0.0.0/8", "2001:db8::/32"]) == peer


async def test_a_proxy_of_ipv6_is_believed() -> None:
    assert await caller_of("2001:db8::5", ["2001:db8::/32"]) == "203.0.113.9"


async def test_the_page_speaks_for_its_visitors_on_either_loopback() -> None:
    trusted = parts_of(Settings())[1].env["DANDELION_API__TRUSTED_PROXIES"]
    for peer in ("127.0.0.1", "::ffff:127.0.0.1", "::1"):
        assert await caller_of(peer, json.loads(trusted)) == "203.0.113.9"
