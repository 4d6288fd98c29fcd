"""HTTP connections with limits on a request's head, which uvicorn lacks, and with HTTP/1 as the only protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sized
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0
LINGER_SECONDS = 5.0
# A client keeps its connections. Closed after a while, it moves to replicas that were started since, and leaves those
# that a Service no longer leads to: a canary at 0 %, a slot out of service.
CONNECTION_SECONDS = 60.0
MAX_LINGER_BYTES = 64 * 1024 * 1024
# Of a server that stops; less than the web page's open connections have then.
STOPPING_LINGER_SECONDS = 1.0


class BoundedConnection(HttpToolsProtocol):
    """Refuses a head (request line and headers) that is too long or too slow, and an invalid `Host`.

    Trailers after a body have the same limits. The application limits the time and size of bodies.

    A client may offer to switch to another protocol, as Java's does to HTTP/2 with each request. The offer is ignored
    (RFC 9110, section 7.8). httptools would skip the body of such a request and then read it as another request.

    A client that expects `100 Continue` and gets its response without it may leave the body out. So the connection
    closes: what comes next on it could be either.

    A response that comes before the end of the body, such as 413, ends the connection, but what the client still sends
    is read and dropped: `MAX_LINGER_BYTES` within `LINGER_SECONDS`. Otherwise the system resets the connection, and the
    client, or a proxy, which then responds with 502 or 503, may never see the response.

    A connection ends with the first response after `CONNECTION_SECONDS` behind which no request waits; it says so. An
    idle one stays, so its next request is its last.

    A response with `Connection: close` is the last. Requests that came behind it are dropped (RFC 9112, section 9.6).
    """

    _unparsed_bytes = 0  # since the parser last completed an element
    _patience: asyncio.TimerHandle | None = None
    _is_lingering = False
    _is_stopping = False
    _dropped_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for the first head."""
        super().connection_made(transport)
        self._responses = _ResponseTransport(transport, self._end_responses)
        self._since = self.loop.time()
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._progress()
        self._responses.close = self.transport.close  # nothing refers to itself any more
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes, and refuse a head over the limit."""
        if self._is_lingering:
            self._dropped_bytes += len(data)
            if self._dropped_bytes > MAX_LINGER_BYTES:
                self.transport.close()
            return
        self._unset_keepalive_if_required()
        self._unparsed_bytes += len(data)
        self._parse(data)
        if self._unparsed_bytes > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._patience is None and self._is_idle:
            self._expect_head()

    def _parse(self, data: bytes) -> None:
        try:
            while True:
                try:
                    self.parser.feed_data(data)
                    return
                except HttpParserUpgrade as offer:
                    self._restart_without_offer()
                    data = data[offer.args[0] :]
        except HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def send_400_response(self, msg: str) -> None:
        """Refuse the bytes that came last, without writing into the response to an earlier request."""
        cycle: Any = self.cycle
        if self._is_idle:
            super().send_400_response(msg)
        elif not cycle.more_body:
            cycle.keep_alive = False  # the requests before it are answered, and the connection is closed
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.close()
            else:
                super().send_400_response(msg)

    def _restart_without_offer(self) -> None:
        """Let a new parser begin with the head that was just read, less what makes it an offer.

        Raises:
            HttpParserError: The request is for a tunnel (`CONNECT`), which has no body to read.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise HttpParserError("There are no tunnels here.")
        lines = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.parser.feed_data(b"\r\n".join((*lines, b"", b"")))

    def on_message_begin(self) -> None:
        """Count a head that begins behind another request, in the same bytes."""
        self._unparsed_bytes = self._unparsed_bytes or 1
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Accept a header; an error here makes uvicorn respond with 400."""
        if name.lower() == b"host":
            if any(each == b"host" for each, _ in self.headers):
                raise ValueError("There are two hosts.")
            _check_host(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the timer: the head is complete."""
        self._progress()
        if not self.parser.should_upgrade():
            if self.parser.get_http_version() == "1.0":
                self.expect_100_continue = False  # RFC 9110, section 10.1.1
            super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.transport = self._responses  # type: ignore[assignment]
        is_odd = cycle.scope["http_version"] == "1.0" or cycle.waiting_for_100_continue
        if self.loop.time() - self._since > CONNECTION_SECONDS:
            app = _Last(cycle, app, self.pipeline)
        super()._start_asgi_task(cycle, _Odd(cycle, app) if is_odd else app)

    def on_body(self, body: bytes) -> None:
        """Count from zero: part of the body arrived."""
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the timer: the request is complete."""
        self._progress()
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the timer if a part of the next head came during the response."""
        super().on_response_complete()
        if self._is_lingering:
            self._unset_keepalive_if_required()
        elif self._unparsed_bytes and self._patience is None and self._is_idle:
            self._expect_head()

    def shutdown(self) -> None:
        """Close once the response in progress is complete."""
        self._is_stopping = True
        if self._is_lingering:
            self.transport.close()
        else:
            super().shutdown()

    def _end_responses(self) -> None:
        """Close; before the end of a body, only once the client does, or has had its time."""
        self.pipeline.clear()
        cycle: Any = self.cycle  # the last request that came, whose response may be none of those sent
        if not cycle.more_body or self.transport.is_closing() or not self.transport.can_write_eof():
            self.transport.close()
            return
        self._progress()
        self._is_lingering = True
        seconds = STOPPING_LINGER_SECONDS if self._is_stopping else LINGER_SECONDS
        self._patience = self.loop.call_later(seconds, self.transport.close)
        self.transport.write_eof()
        self.flow.resume_reading()

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
        # A client that sent nothing expects no response, and nothing may be written into the middle of one.
        if self._unparsed_bytes and self._is_idle:
            text = f"{status.phrase}: send the head within {HEAD_SECONDS:g} s and {MAX_HEAD_BYTES} bytes."
            lines = (
                f"HTTP/1.1 {status.value} {status.phrase}",
                "content-type: text/plain; charset=utf-8",
                f"content-length: {len(text)}",
                "connection: close",
            )
            self.transport.write("\r\n".join((*lines, "", text)).encode())
        self.transport.close()


class _ResponseTransport:
    """A transport that is closed in another way."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._transport = transport
        self.close = close

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Last:
    """Runs an application for a connection that ends with this response, unless another request waits behind it."""

    def __init__(self, cycle: RequestResponseCycle, app: Any, pipeline: Sized) -> None:
        self._cycle = cycle
        self._app = app
        self._pipeline = pipeline

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_last(message: Any) -> None:
            if message["type"] == "http.response.start" and not self._pipeline:
                self._cycle.keep_alive = False
            await send(message)

        await self._app(scope, receive, send_last)


class _Odd:
    """Runs an application for a client that uvicorn would answer wrongly: of HTTP/1.0, or waiting to send a body."""

    def __init__(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._cycle = cycle
        self._app = app
        self._ends_by_closing = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        cycle = self._cycle

        async def send_oddly(message: Any) -> None:
            if message["type"] == "http.response.start":
                if cycle.waiting_for_100_continue:
                    cycle.keep_alive = False
                names = {name.lower() for name, _ in message["headers"]}
                if scope["http_version"] == "1.0" and b"content-length" not in names:
                    self._ends_by_closing = True  # HTTP/1.0 knows no chunks
                    cycle.chunked_encoding = False
            elif self._ends_by_closing:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, send_oddly)


@lru_cache(maxsize=64)
def _check_host(host: bytes) -> None:
    """Refuse an invalid host, which would fail later code that reads the request's URL.

    Raises:
        ValueError: The host is invalid.
    """
    _ = urlsplit(b"//" + host).port
