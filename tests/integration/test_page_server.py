"""The page's server, byte for byte: its connections, old HTTP, HEAD and OPTIONS, and a path of its own."""

from __future__ import annotations

import re
import signal
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urljoin

import httpx
import pytest

from tests.photos import jpeg
from tests.servers.certificates import make_certificate
from tests.servers.envoy import Envoy
from tests.servers.nginx import Nginx
from tests.servers.product import Launcher, Running
from tests.wire import connected

PREFIX = "/plants"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A page without an API, which trusts the proxy on this machine."""
    launch = Launcher(tmp_path_factory.mktemp("page"))
    running = launch("ui", DANDELION_UI__TRUSTED_PROXIES='["127.0.0.1"]', DANDELION_UI__TRUST_FORWARDED_PREFIX="true")
    running.wait_for("/livez", url=running.page_url)
    yield running
    launch.end()


def address(page: Running) -> tuple[str, int]:
    url = httpx.URL(page.page_url)
    return url.host, url.port or 0


@pytest.fixture(scope="module", params=["nginx", "nginx with https", "envoy"])
def published(
    request: pytest.FixtureRequest, page: Running, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of a real proxy, which publishes the page under a path."""
    folder, port = tmp_path_factory.mktemp("proxy"), address(page)[1]
    certificate = make_certificate(folder) if "https" in request.param else None
    if request.param == "envoy":
        server: Nginx | Envoy = Envoy(folder, port, PREFIX)
    else:
        server = Nginx(folder, port, PREFIX, certificate)
    trusted = ssl.create_default_context(cafile=certificate.ca) if certificate else True
    with httpx.Client(base_url=server.url, verify=trusted) as http:
        yield http
    server.end()


@pytest.mark.parametrize("path", ["/", "/en/", "/livez", "/pulse", "/icon.svg", "/en/theme.css", "/sign-in"])
def test_a_get_route_answers_head_and_options(page: Running, path: str) -> None:
    with httpx.Client(base_url=page.page_url) as http:
        shown, head, options = http.get(path), http.head(path), http.options(path)
    assert (head.status_code, head.content) == (shown.status_code, b"")
    assert (options.status_code, options.content) == (204, b"")
    assert {"GET", "HEAD", "OPTIONS"} <= set(options.headers["allow"].split(", "))


def test_head_and_options_open_no_route_that_is_not_used(page: Running) -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        for headers in ({}, {"X-Forwarded-Prefix": PREFIX}, {"X-Forwarded-Prefix": "/en"}):
            assert httpx.request(method, f"{page.page_url}/en/gradio_api/info", headers=headers).status_code == 404


def test_a_stream_of_old_http_has_no_chunks(page: Running) -> None:
    with connected(address(page)) as wire:
        wire.send(b"GET /en/gradio_api/heartbeat/abc HTTP/1.0\r\n\r\n")
        head = wire.socket.recv(65536)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"event-stream" in head
        assert b"transfer-encoding" not in head
        assert b"connection: close" in head


def test_everything_that_the_page_names_lies_under_its_path(published: httpx.Client) -> None:
    http, root = published, f"{str(published.base_url).rstrip('/')}/en"
    found = http.get("/")
    assert (found.status_code, found.headers["location"]) == (307, f"{PREFIX}/en/")
    found = http.get("/en/")
    assert f'"root":"{root}"' in found.text
    named = re.findall(r'(?:src|href)="(\.[^"]+)"', found.text)
    assert len(named) > 2
    for each in named:
        assert http.get(urljoin(str(found.url), each)).status_code == 200, each
    assert http.get(f"{root}/config").json()["root"] == root
    assert http.get(urljoin(f"{root}/", "../pulse")).json() == {"api": "down"}
    uploaded = http.post(f"{root}/gradio_api/upload", files={"files": ("a.jpg", jpeg())})
    assert uploaded.status_code == 200
    assert http.get(f"{root}/gradio_api/file={uploaded.json()[0]}").content == jpeg()
    assert http.get("/en").headers["location"] == f"{root}/"
    signed_out = http.post("/sign-out")
    assert f"Path={PREFIX};" in signed_out.headers["set-cookie"]
    assert urljoin(str(signed_out.url), signed_out.headers["location"]) == f"{root}/"


def test_events_pass_a_proxy_at_once(published: httpx.Client) -> None:
    with published.stream("GET", "/en/gradio_api/heartbeat/abc") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert next(stream.iter_bytes())  # while the stream goes on


def test_a_page_under_a_path_like_that_of_assets_is_not_stored(page: Running) -> None:
    for prefix in ("/static", "/a/static/b"):
        found = httpx.get(f"{page.page_url}/en/", headers={"X-Forwarded-Prefix": prefix})
        assert (found.status_code, found.headers["cache-control"]) == (200, "no-store")


def test_without_a_proxy_redirects_stay_relative(page: Running) -> None:
    assert httpx.get(page.page_url).headers["location"] == "en/"


def test_idle_connections_do_not_delay_the_stop(page: Running) -> None:
    with connected(address(page)) as unused, connected(address(page)) as idle, connected(address(page)) as stream:
        idle.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.read().status == 200
        stream.send(b"GET /en/gradio_api/heartbeat/abc HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 OK" in stream.socket.recv(65536)
        began = time.monotonic()
        page.process.send_signal(signal.SIGTERM)
        assert unused.rest() == idle.rest() == b""
        page.process.wait(30)
        assert time.monotonic() - began < 15
