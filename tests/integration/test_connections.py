"""What a connection may bring before the application sees anything of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from dandelion.http import connections
from tests.integration.conftest import Api
from tests.photos import jpeg

QUICK = "GET /livez HTTP/1.1\r\nHost: x\r\n"
PATIENCE_SECONDS = 0.5


@pytest.fixture(autouse=True)
def the_next_one_is_answered(api: Api) -> Iterator[None]:
    yield
    assert httpx.get(f"{api.url}/livez").status_code == 200


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that soon loses its patience."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", PATIENCE_SECONDS)


@contextmanager
def connected(api: Api) -> Iterator[socket.socket]:
    with socket.create_connection(api.address, timeout=10) as connection:
        yield connection


def rest(connection: socket.socket) -> bytes:
    """What is answered until the server closes."""
    found = b""
    with suppress(ConnectionResetError):  # it closed before it had read all
        while more := connection.recv(65536):
            found += more
    return found


@pytest.mark.parametrize(
    "piece",
    [b"a" * 65536, b"b: c\r\n" * 10_000],
    ids=["one header without end", "headers without end"],
)
def test_a_head_without_end_is_cut_off(api: Api, piece: bytes) -> None:
    sent = 0
    with connected(api) as connection:
        connection.sendall(QUICK.encode() + b"X-A: ")
        with suppress(ConnectionError):  # it does not read on
            for _ in range(500):
                connection.sendall(piece)
                sent += len(piece)
        rest(connection)
    assert sent < 500 * len(piece)


def test_a_head_that_is_too_long_is_told_so(api: Api) -> None:
    with connected(api) as connection:
        connection.sendall(QUICK.encode() + b"X-A: ")
        for _ in range(2):  # together more than a head may have, and less than would be lost unread
            connection.sendall(b"a" * (connections.MAX_HEAD_BYTES // 2 + 1))
            time.sleep(0.1)  # so that the server reads them apart
        assert rest(connection).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


def test_a_long_head_within_the_bound_is_answered(api: Api) -> None:
    answer = httpx.get(f"{api.url}/livez", headers={"X-A": "a" * (connections.MAX_HEAD_BYTES - 1024)})
    assert answer.status_code == 200


def test_what_follows_a_body_without_end_is_cut_off(api: Api) -> None:
    head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent = 0
    with connected(api) as connection:
        connection.sendall(head.encode() + b"1\r\nx\r\n0\r\n")
        with suppress(ConnectionError):
            for _ in range(500):
                connection.sendall(b"b: c\r\n" * 10_000)
                sent += 60_000
        rest(connection)
    assert sent < 500 * 60_000


@pytest.mark.usefixtures("quick")
def test_a_head_that_comes_byte_by_byte_is_given_up(api: Api) -> None:
    with connected(api) as connection:
        begin = time.monotonic()
        with suppress(ConnectionError):
            for letter in QUICK * 100:
                connection.sendall(letter.encode())
                time.sleep(0.02)
                if time.monotonic() - begin > 5 * PATIENCE_SECONDS:
                    break
        assert rest(connection).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("said", "answer"), [(b"", b""), (b"\r\n", b"HTTP/1.1 408")], ids=["nothing", "a line"])
def test_who_asks_nothing_is_shown_out(api: Api, said: bytes, answer: bytes) -> None:
    with connected(api) as connection:
        connection.sendall(said)
        assert rest(connection)[: len(b"HTTP/1.1 408")] == answer


@pytest.mark.usefixtures("quick")
def test_half_a_head_behind_a_request_in_progress_is_given_up(api: Api) -> None:
    with connected(api) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHos")
        answered = rest(connection)
        assert answered.startswith(b"HTTP/1.1 200")
        assert b"HTTP/1.1 408 Request Timeout\r\n" in answered


@pytest.mark.usefixtures("quick")
def test_bodies_and_pauses_between_requests_have_more_time(api: Api) -> None:
    photo = jpeg()
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(photo)}\r\n\r\n"
    with connected(api) as connection:
        for _ in range(2):
            connection.sendall(head.encode())
            time.sleep(2 * PATIENCE_SECONDS)
            connection.sendall(photo)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            time.sleep(2 * PATIENCE_SECONDS)


@pytest.mark.parametrize("host", ["x:port", "x:99999", "[::1", "x:-1", "\xff"])
@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/predictions?limit=0"])
def test_a_host_that_is_none_is_a_bad_request(api: Api, host: str, path: str) -> None:
    with connected(api) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"))
        assert rest(connection).startswith(b"HTTP/1.1 400")
