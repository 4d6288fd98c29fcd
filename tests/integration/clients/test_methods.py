"""Expectations, HEAD and OPTIONS, slashes at the end, HTTP/1.0."""

from __future__ import annotations

from http import HTTPStatus

import httpx
import pytest

from tests.integration.clients.bodies import MiB
from tests.integration.clients.replies import probabilities
from tests.integration.conftest import Api
from tests.photos import jpeg
from tests.wire import connected


def expecting(*headers: bytes, path: bytes = b"/predict", length: int = 0, version: bytes = b"1.1") -> bytes:
    lines = (b"POST %b HTTP/%b" % (path, version), b"Host: x", b"Content-Length: %d" % length, b"Expect: 100-continue")
    return b"\r\n".join((*lines, *headers, b"", b""))


def test_an_expected_continue_comes_at_once_and_the_connection_lives_on(api: Api, plain: dict[str, float]) -> None:
    with connected(api.address) as wire:
        for _ in range(2):
            wire.send(expecting(length=len(jpeg())))
            assert wire.read().status == HTTPStatus.CONTINUE
            wire.send(jpeg())
            reply = wire.read()
            assert probabilities(reply) == plain
            assert "connection" not in reply.headers


@pytest.mark.parametrize(
    ("headers", "path", "length", "status"),
    [
        ((), b"/predict", 9 * MiB, 413),
        ((b"Content-Type: application/json",), b"/feedback", 9 * MiB, 413),
        ((b"Content-Encoding: gzip",), b"/predict", 9 * MiB, 413),
        ((b"Content-Encoding: zstd",), b"/predict", 1000, 415),
        ((), b"/nowhere", 1000, 404),
        ((), b"/model", 1000, 405),
        ((b"Origin: http://evil",), b"/predict", 1000, 403),
    ],
)
def test_a_refusal_comes_before_the_body(
    api: Api, headers: tuple[bytes, ...], path: bytes, length: int, status: int
) -> None:
    with connected(api.address) as wire:
        wire.send(expecting(*headers, path=path, length=length))
        reply = wire.read()
        assert reply.status == status
        assert reply.headers["connection"] == "close"  # what comes next could be the body, or another request
        assert wire.rest() == b""


def test_a_key_is_asked_for_before_the_body(guarded: Api) -> None:
    with connected(guarded.address) as wire:
        wire.send(expecting(length=1000))
        assert wire.read().status == HTTPStatus.UNAUTHORIZED
        assert wire.rest() == b""


def test_what_follows_a_refused_expectation_is_no_request(api: Api) -> None:
    with connected(api.address) as wire:
        wire.send(expecting(path=b"/nowhere", length=1000))
        assert wire.read().status == HTTPStatus.NOT_FOUND
        wire.send(b"GET /model HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.rest() == b""


def test_old_http_expects_nothing(api: Api, plain: dict[str, float]) -> None:
    with connected(api.address) as wire:
        wire.send(expecting(length=len(jpeg()), version=b"1.0"))
        assert wire.is_silent(0.3)
        wire.send(jpeg())
        assert probabilities(wire.read()) == plain
        assert wire.rest() == b""


def paths_of(api: Api) -> list[str]:
    """Every GET route without a parameter."""
    schema = httpx.get(f"{api.url}/openapi.json").json()
    return [
        "/docs",
        "/openapi.json",
        *(path for path, each in schema["paths"].items() if "get" in each and "{" not in path),
    ]


def test_every_get_route_answers_head_and_options_and_a_slash_at_its_end(api: Api) -> None:
    paths = paths_of(api)
    assert {"/", "/model", "/health", "/predictions", "/metrics"} <= set(paths)
    with httpx.Client(base_url=api.url) as http:
        for path in paths:
            shown, head, options = http.get(path), http.head(path), http.options(path)
            assert (head.status_code, head.content) == (shown.status_code, b""), path
            assert head.headers["content-type"] == shown.headers["content-type"], path
            assert (options.status_code, options.content) == (204, b""), path
            assert {"GET", "HEAD", "OPTIONS"} <= set(options.headers["allow"].split(", ")), path
            assert http.get(f"{path}/" if path != "/" else "//").status_code == shown.status_code, path
            refused = http.request("PROPFIND", path)
            assert refused.status_code == 405, path
            assert {"GET", "HEAD"} <= set(refused.headers["allow"].split(", ")), path


def test_head_is_counted_as_head(api: Api) -> None:
    httpx.head(f"{api.url}/model")
    assert 'http_requests_total{method="HEAD",route="/model"' in httpx.get(f"{api.url}/metrics").text


def test_head_and_options_need_the_key_that_get_needs(guarded: Api) -> None:
    assert httpx.head(f"{guarded.url}/model").status_code == 401
    assert httpx.head(f"{guarded.url}/").status_code == 200
    assert httpx.get(f"{guarded.url}/").status_code == 200


def test_the_root_says_where_the_documentation_is(api: Api) -> None:
    answer = httpx.get(api.url)
    assert answer.status_code == 200
    assert answer.json()["docs"] == "/docs"


@pytest.mark.parametrize("path", [b"/", b"/docs", b"/openapi.json", b"/metrics", b"/predictions", b"/livez"])
@pytest.mark.parametrize("connection", [b"", b"Connection: Keep-Alive\r\n"])
def test_old_http_gets_no_chunks_and_a_closed_connection(api: Api, path: bytes, connection: bytes) -> None:
    with connected(api.address) as wire:
        wire.send(b"GET " + path + b" HTTP/1.0\r\n" + connection + b"\r\n")
        reply = wire.read()
        assert reply.status == HTTPStatus.OK
        assert "transfer-encoding" not in reply.headers
        assert wire.rest() == b""
