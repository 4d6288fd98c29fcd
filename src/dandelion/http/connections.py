"""Connections of HTTP servers, with bounds on a request's head, for which uvicorn waits and makes room without end."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0


class BoundedConnection(HttpToolsProtocol):
    """Refuses a head (request line and headers) that is too long or too slow, and a `Host` that names none.

    What may follow a body, trailers, is bounded the same; the time and size of bodies is the application's to bound.
    """

    _unparsed_bytes = 0  # since the parser last told of something whole
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._progress()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it leads nowhere."""
        self._unparsed_bytes += len(data)
        super().data_received(data)
        if self._unparsed_bytes > MOST_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._patience is None and self._is_idle:
            self._expect_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; an error here is answered with 400."""
        if name.lower() == b"host":
            _check_host(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._progress()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body is there."""
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of the request is there."""
        self._progress()
        super().on_message_complete()

    @property
    def _is_idle(self) -> bool:
        cycle: Any = self.cycle
        return cycle is None or cycle.response_complete

    def _expect_head(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _progress(self) -> None:
        self._unparsed_bytes = 0
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse(self, status: HTTPStatus) -> None:
        if self.transport.is_closing():
            return
        # Who sent nothing asked nothing; and nothing may go into the middle of an answer.
        if self._unparsed_bytes and self._is_idle:
            text = f"{status.phrase}: a head has {HEAD_SECONDS:g} s and {MOST_HEAD_BYTES} bytes."
            lines = (
                f"HTTP/1.1 {status.value} {status.phrase}",
                "content-type: text/plain; charset=utf-8",
                f"content-length: {len(text)}",
                "connection: close",
            )
            self.transport.write("\r\n".join((*lines, "", text)).encode())
        self.transport.close()


@lru_cache(maxsize=64)
def _check_host(host: bytes) -> None:
    """Whoever reads a request's address later fails over one that is none.

    Raises:
        ValueError: It is none.
    """
    _ = urlsplit(b"//" + host).port
