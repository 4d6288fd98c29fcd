"""What every request gets: an id that its answer and its log lines carry."""

from __future__ import annotations

import re
import time

import structlog
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

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

        token = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await next_app(scope, receive, send_with_id)
        finally:
            structlog.contextvars.reset_contextvars(**token)
