"""An allowlist for Gradio's routes, with limits that Gradio lacks."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dandelion.access import SAFE_METHODS, is_foreign
from dandelion.ui.uploads import FILE_BYTES, Uploads
from dandelion.ui.words import LANGUAGES

UPLOAD = "/gradio_api/upload"
EVENT = "/gradio_api/queue/join"
# An event with a hundred photos takes a tenth of it.
MAX_EVENT_BYTES = 1024**2
# Limits of Linux: a file name, and half of a path, since the page's own folders precede it.
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 2048
# Between two chunks of an upload; else a sleeping laptop would hold its space for ever.
MAX_CHUNK_SECONDS = 30.0
# Gradio has about fifty routes: API description, proxies, code assistants, recordings, monitoring. A file must be on
# this machine: Gradio would also fetch and show files of other hosts.
_USED = re.compile(
    r"(?:/|/config/?|/theme\.css|/(?:assets|static)/.+"
    r"|/gradio_api/(?:queue/(?:join|data)|cancel|reset|heartbeat/.+|upload|upload_progress|file=/.+))?"
)


class RouteAllowlist:
    """Refuses unused routes, requests from other sites, files that were not uploaded, and too large requests."""

    def __init__(self, app: ASGIApp, uploads: Uploads) -> None:
        self._app = app
        self._uploads = uploads
        self._limited = RequestBodyLimitMiddleware(app, MAX_EVENT_BYTES)
        self._events = RequestBodyLimitMiddleware(self._take_event, MAX_EVENT_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        app: ASGIApp = self._limited
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        language, slash, rest = path.removeprefix("/").partition("/")
        if scope["method"] not in SAFE_METHODS and is_foreign(scope["headers"]):
            app = PlainTextResponse("This request comes from a page of another site.", 403)
        elif language in LANGUAGES and not (_USED.fullmatch(slash + rest) and _is_name(rest)):
            app = PlainTextResponse("Not found", 404)
        elif scope["path"].endswith(UPLOAD):
            app = self._take_upload
        elif scope["path"].endswith(EVENT):
            app = self._events
        await app(scope, receive, send)

    async def _take_upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reserve space for the bytes that a request has yet to send, and for its files' blocks and folders."""
        headers = Headers(scope=scope)
        promised = headers.get("content-length", "")
        if not promised.isdecimal() or len(promised) > 19:  # Python refuses to parse very long numbers
            await PlainTextResponse("The header Content-Length is missing or invalid.", 411)(scope, receive, send)
            return
        full = PlainTextResponse("There is no room for more photos: try again later, or send fewer.", 507)
        parts = _Parts(headers.get("content-type", ""))
        coming, blocks = int(promised), 0
        if not await self._uploads.hold(coming):
            await full(scope, receive, send)
            return
        refusal: PlainTextResponse | None = None

        async def receive_within_limits() -> Message:
            nonlocal coming, blocks, refusal
            try:
                # Only while bytes are missing; afterwards Gradio may wait long for a disconnect.
                async with asyncio.timeout(MAX_CHUNK_SECONDS if coming else None):
                    message = await receive()
            except TimeoutError:
                refusal = PlainTextResponse("The upload was too slow.", 408)
                return {"type": "http.disconnect"}
            body = message.get("body", b"")
            if files := parts.count(body):
                if not await self._uploads.hold(files * FILE_BYTES):
                    refusal = full
                    return {"type": "http.disconnect"}
                blocks += files * FILE_BYTES
            brought = min(coming, len(body))
            coming -= brought
            self._uploads.release(brought)
            return message

        async def send_unless_refused(message: Message) -> None:
            if refusal is None:
                await send(message)

        try:
            async with self._uploads.tidied():
                await self._app(scope, receive_within_limits, send_unless_refused)
        except ClientDisconnect:
            pass  # the upload is discarded
        finally:
            self._uploads.release(coming + blocks)
        if refusal is not None:
            refusal.headers["Connection"] = "close"
            await refusal(scope, receive, send)

    async def _take_event(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept only uploaded files in an event: Gradio would read or fetch any file that it names."""
        try:
            body = await Request(scope, receive).body()
        except ClientDisconnect:
            return
        try:
            event = json.loads(body)
        except (ValueError, RecursionError):
            await PlainTextResponse("The body is not valid JSON.", 400)(scope, receive, send)
            return
        for path in _paths(event):
            if not self._uploads.has(path):
                await PlainTextResponse(f"{path[:80]!r} was not uploaded here.", 403)(scope, receive, send)
                return
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, receive_again, send)


def _is_name(path: str) -> bool:
    """Return whether this is a valid path: Gradio would fail on any other."""
    raw = path.encode()
    return len(raw) <= MAX_PATH_BYTES and max(map(len, raw.split(b"/"))) <= MAX_NAME_BYTES and b"\0" not in raw


class _Parts:
    """Counts the parts of a form as its bytes arrive: each may become a file, and one chunk may hold a thousand."""

    def __init__(self, content_type: str) -> None:
        self._mark = b"--" + parse_options_header(content_type)[1].get(b"boundary", b"")
        self._rest = b""

    def count(self, body: bytes) -> int:
        """Count the parts that begin in the next bytes."""
        seen = self._rest + body
        self._rest = seen[1 - len(self._mark) :]
        return seen.count(self._mark)


def _paths(event: object) -> Iterator[str]:
    """Yield every file that an event names."""
    unseen = [event]
    while unseen:
        each = unseen.pop()
        if isinstance(each, dict):
            if isinstance(path := each.get("path"), str):
                yield path
            unseen += each.values()
        elif isinstance(each, list):
            unseen += each
