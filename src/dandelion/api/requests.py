"""Gives every request an id, for its response and its log lines, and limits its body."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

import structlog
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    Message,
    Receive,
    Scope,
    Send,
    WebSocketReceiveMessage,
)
from uuid_utils import uuid7

from dandelion.errors import OverloadedError, SlowUploadError
from dandelion.telemetry import tracing

HEADER = "X-Request-ID"
_RAW = HEADER.lower().encode()
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,128}")

log = structlog.get_logger(__name__)


def request_id_of(scope: Scope) -> str:
    """The caller's id of the request if it is valid, else a new one; always the same for one request."""
    state = scope.setdefault("state", {})  # missing if none of our middleware ran before, as for unknown paths
    if "request_id" not in state:
        given = next((value for name, value in scope["headers"] if name == _RAW), b"")
        state["request_id"] = given.decode() if _SANE.fullmatch(given) else str(uuid7())
    return str(state["request_id"])


def create_echo(*, access_log: bool) -> Callable[[Message, Scope], Awaitable[None]]:
    """Create the hook that returns the id and writes the access log, also for refused requests and unknown paths."""

    async def echo(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        request_id = request_id_of(scope)
        message["headers"] = [*message["headers"], (_RAW, request_id.encode())]
        if access_log:
            began = scope["state"].get("began")
            log.info(
                "request",
                method=scope.get("method"),
                path=scope["path"],
                status=message["status"],
                duration_ms=None if began is None else round((time.perf_counter() - began) * 1000, 2),
                request_id=request_id,
            )

    return echo


class RequestContext(ASGIMiddleware):
    """Binds the request's id and trace to the log."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run one request."""
        scope["state"]["began"] = time.perf_counter()
        request_id = request_id_of(scope)
        name = f"{scope.get('method', '')} {scope.get('path_template', '')}"
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            tracing.request(name, _parents(scope), request_id=request_id),
        ):
            trace_id = tracing.trace_id()
            with structlog.contextvars.bound_contextvars(**({"trace_id": trace_id} if trace_id else {})):
                await next_app(scope, receive, send)


class BodyLimits(ASGIMiddleware):
    """Refuses a body that arrives too slowly or does not fit in memory.

    Args:
        seconds: Maximum time for a whole body, from the first read.
        max_bytes: Maximum memory for the bodies of all requests; each counts until its response is sent.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._held_bytes = 0

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run one request with limits on its body."""
        until: float | None = None
        is_whole = False
        held_bytes = 0

        async def receive_within_limits() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            nonlocal until, is_whole, held_bytes
            if is_whole:  # only the client's disconnect can follow
                return await receive()
            if until is None:
                until = asyncio.get_running_loop().time() + self._seconds
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError as error:
                raise SlowUploadError(
                    f"The body took longer than {self._seconds:g} s to arrive.",
                    "Send a smaller one, or raise DANDELION_API__BODY_TIMEOUT_SECONDS.",
                ) from error
            is_whole = not message.get("more_body", False)
            size = len(message["body"]) if message["type"] == "http.request" else 0
            if self._held_bytes + size > self._max_bytes:
                raise OverloadedError(
                    f"The bodies of all requests take {self._held_bytes:,} bytes already, of {self._max_bytes:,}.",
                    "Try again later, or raise DANDELION_API__MAX_BODIES_BYTES if there is memory.",
                )
            self._held_bytes += size
            held_bytes += size
            return message

        try:
            await next_app(scope, receive_within_limits, send)
        finally:
            self._held_bytes -= held_bytes


def _parents(scope: Scope) -> dict[str, str]:
    """The caller's trace headers."""
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in {b"traceparent", b"tracestate"}
    }
