"""What every request gets: an id that its answer and its log lines carry, and a time for its body to arrive."""

from __future__ import annotations

import asyncio
import re
import time

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

from dandelion.errors import SlowUploadError
from dandelion.telemetry import tracing

HEADER = "X-Request-ID"
_RAW = HEADER.lower().encode()
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,128}")

log = structlog.get_logger(__name__)


class RequestContext(ASGIMiddleware):
    """Takes over the caller's request id where it is sane, else makes one, and sends it back."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, *, access_log: bool) -> None:
        self._access_log = access_log

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run one request with its id bound to the log."""
        given = next((value for name, value in scope["headers"] if name == _RAW), b"")
        raw = given if _SANE.fullmatch(given) else str(uuid7()).encode()
        request_id = raw.decode()
        scope["state"]["request_id"] = request_id
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (_RAW, raw)]
                if self._access_log:
                    log.info(
                        "request",
                        method=scope["method"],  # type: ignore[typeddict-item]
                        path=scope["path"],
                        status=message["status"],
                        duration_ms=round((time.perf_counter() - started) * 1000, 2),
                    )
            await send(message)

        name = f"{scope.get('method', '')} {scope.get('path_template', '')}"
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            tracing.request(name, _parents(scope), request_id=request_id),
        ):
            trace_id = tracing.trace_id()
            with structlog.contextvars.bound_contextvars(**({"trace_id": trace_id} if trace_id else {})):
                await next_app(scope, receive, send_with_id)


class BodyDeadline(ASGIMiddleware):
    """Gives up a body that arrives too slowly, whoever reads it; counted from when somebody begins to.

    Args:
        seconds: Longest time for all of it.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run one request whose body is in time."""
        until: float | None = None
        is_whole = False

        async def receive_in_time() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            nonlocal until, is_whole
            if is_whole:  # what comes now is that the client goes, whenever it likes
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
            return message

        await next_app(scope, receive_in_time, send)


def _parents(scope: Scope) -> dict[str, str]:
    """What the caller says of the trace that this request belongs to."""
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in {b"traceparent", b"tracestate"}
    }
