"""Requests as the bytes that a client writes into its socket, and what comes back."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httptools
import msgspec


class Reply:
    """One response; an interim one (`100 Continue`) counts as one, too.

    Attributes:
        status: The status.
        headers: Names in lower case.
        body: The body.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Wire:
    """A connection that writes bytes as they are given and reads responses."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._replies: list[Reply] = []
        self._parser = httptools.HttpResponseParser(self)

    def send(self, *parts: bytes) -> None:
        """Write bytes; a server that refuses them may close before it has read them all."""
        with suppress(ConnectionError):
            for part in parts:
                self.socket.sendall(part)

    def read(self) -> Reply:
        """The next response."""
        while not (self._replies and self._replies[0].status):
            data = self.socket.recv(65536)
            assert data, "the server closed without a response"
            self._parser.feed_data(data)
        return self._replies.pop(0)

    def read_all(self) -> list[Reply]:
        """The responses until the server closes."""
        with suppress(ConnectionError):
            while data := self.socket.recv(65536):
                self._parser.feed_data(data)
        return self._replies

    def rest(self) -> bytes:
        """What the server sends until it closes."""
        found = b""
        with suppress(ConnectionError):
            while more := self.socket.recv(65536):
                found += more
        return found

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing comes for a while."""
        before, found = self.socket.gettimeout(), b""
        self.socket.settimeout(seconds)
        with suppress(TimeoutError):
            found = self.socket.recv(1, socket.MSG_PEEK)
        self.socket.settimeout(before)
        return not found

    def on_message_begin(self) -> None:
        self._replies.append(Reply())

    def on_header(self, name: bytes, value: bytes) -> None:
        self._replies[-1].headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._replies[-1].body += body

    def on_message_complete(self) -> None:
        self._replies[-1].status = self._parser.get_status_code()


@contextmanager
def connected(address: tuple[str, int], *, seconds: float = 20) -> Iterator[Wire]:
    """A connection to a server."""
    with socket.create_connection(address, timeout=seconds) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Wire(connection)


def exchange(address: tuple[str, int], *parts: bytes) -> Reply:
    """The response to a request."""
    with connected(address) as wire:
        wire.send(*parts)
        return wire.read()


def post(body: bytes, *headers: bytes, path: bytes = b"/predict", version: bytes = b"1.1") -> bytes:
    """A request with a body of known length and the headers given."""
    lines = (b"POST %b HTTP/%b" % (path, version), b"Host: x", b"Content-Length: %d" % len(body), *headers)
    return b"\r\n".join((*lines, b"", body))
