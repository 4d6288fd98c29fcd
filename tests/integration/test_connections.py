"""What a connection may bring before the application sees anything of it."""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from dandelion.http import connections
from tests.integration.conftest import Api
from tests.integration.http_kinds import CHUNKED, EXPECT, FOUR, HIDDEN, LIVE, head, hidden_requests
from tests.photos import jpeg
from tests.waiting import wait_until
from tests.wire import connected, exchange, post

PATIENCE_SECONDS = 0.5


@pytest.fixture(autouse=True)
def the_next_one_is_answered(api: Api) -> Iterator[None]:
    yield
    assert httpx.get(f"{api.url}/livez").status_code == 200


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that soon loses its patience."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", PATIENCE_SECONDS)


@pytest.mark.parametrize(
    "piece",
    [b"a" * 65536, b"b: c\r\n" * 10_000],
    ids=["one header without end", "headers without end"],
)
def test_a_head_without_end_is_cut_off(api: Api, piece: bytes) -> None:
    sent = 0
    with connected(api.address) as wire:
        wire.send(LIVE + b"X-A: ")
        with suppress(ConnectionError):  # it does not read on
            for _ in range(500):
                wire.socket.sendall(piece)
                sent += len(piece)
        wire.rest()
    assert sent < 500 * len(piece)


def test_a_head_that_is_too_long_is_told_so(api: Api) -> None:
    with connected(api.address) as wire:
        wire.send(LIVE + b"X-A: ")
        for _ in range(2):  # together more than a head may have, and less than would be lost unread
            wire.socket.sendall(b"a" * (connections.MAX_HEAD_BYTES // 2 + 1))
            time.sleep(0.1)  # so that the server reads them apart
        assert wire.rest().startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


def test_a_long_head_within_the_bound_is_answered(api: Api) -> None:
    answer = httpx.get(f"{api.url}/livez", headers={"X-A": "a" * (connections.MAX_HEAD_BYTES - 1024)})
    assert answer.status_code == 200


def test_what_follows_a_body_without_end_is_cut_off(api: Api) -> None:
    sent = 0
    with connected(api.address) as wire:
        wire.send(head(CHUNKED) + b"1\r\nx\r\n0\r\n")
        with suppress(ConnectionError):
            for _ in range(500):
                wire.socket.sendall(b"b: c\r\n" * 10_000)
                sent += 60_000
        wire.rest()
    assert sent < 500 * 60_000


@pytest.mark.usefixtures("quick")
def test_a_head_that_comes_byte_by_byte_is_given_up(api: Api) -> None:
    with connected(api.address) as wire:
        begin = time.monotonic()
        with suppress(ConnectionError):
            for letter in LIVE.decode() * 100:
                wire.socket.sendall(letter.encode())
                time.sleep(0.02)
                if time.monotonic() - begin > 5 * PATIENCE_SECONDS:
                    break
        assert wire.rest().startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("said", "answer"), [(b"", b""), (b"\r\n", b"HTTP/1.1 408")], ids=["nothing", "a line"])
def test_who_asks_nothing_is_shown_out(api: Api, said: bytes, answer: bytes) -> None:
    with connected(api.address) as wire:
        wire.send(said)
        assert wire.rest()[: len(b"HTTP/1.1 408")] == answer


@pytest.mark.usefixtures("quick")
def test_half_a_head_behind_a_request_in_progress_is_given_up(api: Api) -> None:
    with connected(api.address) as wire:
        wire.send(LIVE + b"\r\n" + LIVE[:-4])
        answered = wire.rest()
        assert answered.startswith(b"HTTP/1.1 200")
        assert b"HTTP/1.1 408 Request Timeout\r\n" in answered


def test_bodies_and_pauses_between_requests_have_more_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made, accept = list[connections.BoundedConnection](), connections.BoundedConnection.connection_made
    timers = list[asyncio.TimerHandle | None]()

    def recorded(connection: connections.BoundedConnection, transport: asyncio.Transport) -> None:
        accept(connection, transport)
        timers.append(connection._patience)
        made.append(connection)

    monkeypatch.setattr(connections.BoundedConnection, "connection_made", recorded)
    request, photo = post(jpeg()), jpeg()
    with connected(api.address) as wire:
        wait_until(lambda: made, "the server has accepted the connection")
        (connection,), (first,) = made, timers
        assert first is not None
        assert connection._patience is first
        for _ in range(2):
            wire.send(request.removesuffix(photo))
            wait_until(lambda: not connection._is_idle, "the head is complete")
            assert connection._patience is None
            assert first.cancelled()
            wire.send(photo)
            assert wire.read().status == 200
            wait_until(lambda: connection._patience is None, "no timer runs between requests")


@pytest.mark.parametrize("host", ["x:port", "x:99999", "[::1", "x:-1", "\xff"])
@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/predictions?limit=0"])
def test_a_host_that_is_none_is_a_bad_request(api: Api, host: str, path: str) -> None:
    with connected(api.address) as wire:
        wire.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"))
        assert wire.rest().startswith(b"HTTP/1.1 400")


REFUSED = head(b"Content-Length: 20000000")


def test_who_sends_a_whole_body_before_reading_sees_why_it_was_refused(api: Api) -> None:
    with connected(api.address) as wire:
        wire.send(REFUSED)
        assert select.select([wire.socket], [], [], 10)[0]  # the response came, and is not read
        wire.send(bytes(20_000_000) + LIVE + b"\r\n")
        answered = wire.rest()
        assert answered.startswith(b"HTTP/1.1 413")
        assert answered.count(b"HTTP/1.1") == 1  # what follows a refusal is no request


def test_who_sends_on_behind_a_refusal_is_cut_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", PATIENCE_SECONDS)
    with connected(api.address) as wire:
        begin = time.monotonic()
        wire.send(REFUSED)
        assert wire.rest().startswith(b"HTTP/1.1 413")
        with suppress(ConnectionError):  # it has closed
            while time.monotonic() - begin < 20 * PATIENCE_SECONDS:
                time.sleep(0.02)
                wire.socket.sendall(bytes(1000))
        assert PATIENCE_SECONDS <= time.monotonic() - begin < 20 * PATIENCE_SECONDS


def test_who_sends_much_behind_a_refusal_is_cut_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", 60)
    sent = 0
    with connected(api.address) as wire:
        wire.send(REFUSED)
        assert wire.rest().startswith(b"HTTP/1.1 413")
        with suppress(ConnectionError):
            while sent < 4 * connections.MAX_LINGER_BYTES:
                wire.socket.sendall(bytes(1_000_000))
                sent += 1_000_000
    assert connections.MAX_LINGER_BYTES < sent + 1_000_000 < 4 * connections.MAX_LINGER_BYTES


def test_what_follows_a_refused_expectation_is_no_request(api: Api) -> None:
    before = hidden_requests()
    with connected(api.address) as wire:
        wire.send(head(EXPECT, FOUR, first=b"POST /nowhere HTTP/1.1") + b"abcd" + HIDDEN + head(FOUR))
        assert [each.status for each in wire.read_all()] == [404]
    assert exchange(api.address, HIDDEN).status == 200  # which runs after what the server still had to do
    assert hidden_requests() == before + 1
