"""Gives every request an id, for its response and its log lines, limits its body and counts its response."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Annotated

import structlog
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.params import Parameter
from litestar.types import ASGIApp, Empty, HTTPReceiveMessage, Message, Receive, Scope, Send, WebSocketReceiveMessage
from litestar.utils.scope.state import ScopeState
from uuid_utils import uuid7

from dandelion.api.codings import coding_of, decoded
from dandelion.errors import OverloadedError, SlowUploadError
from dandelion.http.methods import SENT
from dandelion.telemetry import instruments, tracing

# Query parameter of the routes that return a list.
Limit = Annotated[int, Parameter(ge=1, le=100, description="Maximum number to return.")]
MAX_JSON_BYTES = 1024 * 1024  # of a body without a photo; what is parsed from it takes many times as much
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HEADER = b"x-request-id"
_PARENTS = {b"traceparent", b"tracestate"}  # headers that name the caller's trace
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,128}")

log = structlog.get_logger(__name__)


def request_id_of(scope: Scope) -> str:
    """The caller's id of the request if it is valid, else a new one; always the same for one request."""
    state = scope.setdefault("state", {})  # missing if none of our middleware ran before, as for unknown paths
    if "request_id" not in state:
        given = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        state["request_id"] = create_request_id(given)
    return str(state["request_id"])


def create_request_id(given: bytes) -> str:
    """The caller's id of a request if it is valid, else a new one."""
    return given.decode() if _SANE.fullmatch(given) else str(uuid7())


def create_response_hook(track: str, *, access_log: bool) -> Callable[[Message, Scope], Awaitable[None]]:
    """Create the hook that returns the id, counts the response and writes the access log, also for unknown paths."""

    async def complete(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        request_id, status = request_id_of(scope), message["status"]
        method = str(scope["state"].get(SENT) or scope.get("method"))
        message["headers"] = [*message["headers"], (_HEADER, request_id.encode())]
        # Only templates and known methods, so that clients cannot invent metric labels.
        route, counted = scope.get("path_template") or "unmatched", method if method in METHODS else "other"
        instruments.REQUESTS.labels(route, counted, str(status), track).inc()
        if access_log:
            began = scope["state"].get("began")
            log.info(
                "request",
                method=method,
                path=scope["path"],
                status=status,
                duration_ms=None if began is None else round((time.perf_counter() - began) * 1000, 2),
                request_id=request_id,
            )

    return complete


@contextlib.contextmanager
def request_context(request_id: str, name: str, headers: Mapping[str, str]) -> Iterator[None]:
    """Trace a request, which may continue the trace in its headers; log lines name its id and its trace."""
    with (
        structlog.contextvars.bound_contextvars(request_id=request_id),
        tracing.request(name, headers, request_id=request_id),
    ):
        trace_id = tracing.trace_id()
        with structlog.contextvars.bound_contextvars(**({"trace_id": trace_id} if trace_id else {})):
            yield


class RequestContext(ASGIMiddleware):
    """Binds the request's id and trace to the log."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run one request."""
        scope["state"]["began"] = time.perf_counter()
        request_id = request_id_of(scope)
        name = f"{scope.get('method', '')} {scope.get('path_template', '')}"
        sent = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"] if key in _PARENTS}
        with request_context(request_id, name, sent):
            await next_app(scope, receive, send)


class BodyMemory:
    """The memory for the bodies of all requests, `max_bytes` of them; each counts until its response is sent."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0

    def take(self, size: int) -> None:
        """Count bytes of a body.

        Raises:
            OverloadedError: They do not fit, and are not counted.
        """
        if self._held_bytes + size > self._max_bytes:
            raise OverloadedError(
                f"The bodies of all requests take {self._held_bytes:,} bytes already, of {self._max_bytes:,}.",
                "Try again later, or raise DANDELION_API__MAX_BODIES_BYTES if there is memory.",
            )
        self._held_bytes += size

    def release(self, size: int) -> None:
        """Count so many bytes no longer."""
        self._held_bytes -= size


class BodyLimits(ASGIMiddleware):
    """Decodes a body with a `Content-Encoding`, and refuses one that arrives too slowly or does not fit in memory.

    Args:
        seconds: Maximum time for a whole body, from the first read.
        memory: Memory for the bodies of all requests, decoded.
        max_encoded_bytes: Maximum size of an encoded body.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, seconds: float, memory: BodyMemory, max_encoded_bytes: int) -> None:
        self._seconds = seconds
        self._memory = memory
        self._max_encoded_bytes = max_encoded_bytes

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run one request with limits on its body."""
        until: float | None = None
        is_whole = False
        held_bytes = 0
        read: Receive = receive

        async def receive_within_limits() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            nonlocal until, is_whole, held_bytes, read
            if is_whole:  # only the client's disconnect can follow
                return await receive()
            if until is None:
                until = asyncio.get_running_loop().time() + self._seconds
                if coding := coding_of(scope["headers"]):
                    read = decoded(receive, coding, self._max_encoded_bytes).__anext__
            try:
                async with asyncio.timeout_at(until):
                    message = await read()
            except TimeoutError as error:
                raise SlowUploadError(
                    f"The body took longer than {self._seconds:g} s to arrive.",
                    "Send a smaller one, or raise DANDELION_API__BODY_TIMEOUT_SECONDS.",
                ) from error
            is_whole = not message.get("more_body", False)
            size = len(message["body"]) if message["type"] == "http.request" else 0
            self._memory.take(size)
            held_bytes += size
            return message

        try:
            await next_app(scope, receive_within_limits, send)
        finally:
            self._memory.release(held_bytes)
            # Litestar caches the body in the scope, and the connection keeps that until its next request.
            cached = ScopeState.from_scope(scope)
            cached.body = cached.json = Empty
