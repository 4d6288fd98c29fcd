"""What is open of the routes that Gradio brings: those that the page uses, and within bounds that Gradio lacks."""

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
# What the page tells of some hundred photos takes a tenth of it.
MOST_TOLD_BYTES = 1024**2
# Of Linux: a name in a folder, and half of a path, since the page's own folders stand before it.
MOST_NAME_BYTES = 255
MOST_PATH_BYTES = 2048
# Between two pieces of an upload; a laptop that fell asleep would hold its room for ever.
SLOWEST_SECONDS = 30.0
# Gradio has some fifty: a description of itself, proxies, code assistants, recordings, monitoring. A file is one of
# this machine: Gradio would fetch and show those of others, too.
_USED = re.compile(
    r"(?:/|/config/?|/theme\.css|/(?:assets|static)/.+"
    r"|/gradio_api/(?:queue/(?:join|data)|cancel|reset|heartbeat/.+|upload|upload_progress|file=/.+))?"
)


class RouteAllowlist:
    """Refuses routes that the page does not use, pages of other sites, files that were not uploaded, and floods.

    Args:
        app: What is behind it.
        uploads: What was uploaded, and the room for more.
    """

    def __init__(self, app: ASGIApp, uploads: Uploads) -> None:
        self._app = app
        self._uploads = uploads
        self._bounded = RequestBodyLimitMiddleware(app, MOST_TOLD_BYTES)
        self._events = RequestBodyLimitMiddleware(self._take_event, MOST_TOLD_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request pass, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        app: ASGIApp = self._bounded
        language, slash, rest = scope["path"].removeprefix("/").partition("/")
        if scope["method"] not in SAFE_METHODS and is_foreign(scope["headers"]):
            app = PlainTextResponse("A page of another site sent this.", 403)
        elif language in LANGUAGES and not (_USED.fullmatch(slash + rest) and _is_name(rest)):
            app = PlainTextResponse("Not found", 404)
        elif scope["path"].endswith(UPLOAD):
            app = self._take_upload
        elif scope["path"].endswith(EVENT):
            app = self._events
        await app(scope, receive, send)

    async def _take_upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Room is held for what a request promises and did not bring yet, and for its files' blocks and folders."""
        headers = Headers(scope=scope)
        promised = headers.get("content-length", "")
        if not promised.isdecimal() or len(promised) > 19:  # of many more digits Python makes no number
            await PlainTextResponse("Say how long it is: Content-Length.", 411)(scope, receive, send)
            return
        full = PlainTextResponse("Too many photos are kept here at the moment: try again later, or with fewer.", 507)
        parts = _Parts(headers.get("content-type", ""))
        coming, blocks = int(promised), 0
        if not await self._uploads.hold(coming):
            await full(scope, receive, send)
            return
        refusal: PlainTextResponse | None = None

        async def receive_in_bounds() -> Message:
            nonlocal coming, blocks, refusal
            try:
                # While bytes come; behind them somebody may wait for long whether the browser goes.
                async with asyncio.timeout(SLOWEST_SECONDS if coming else None):
                    message = await receive()
            except TimeoutError:
                refusal = PlainTextResponse("The photos came too slowly.", 408)
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
                await self._app(scope, receive_in_bounds, send_unless_refused)
        except ClientDisconnect:
            pass  # nothing of what came is kept
        finally:
            self._uploads.release(coming + blocks)
        if refusal is not None:
            refusal.headers["Connection"] = "close"
            await refusal(scope, receive, send)

    async def _take_event(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gradio reads or fetches whatever file an event names, unless it is held to those that were uploaded."""
        try:
            body = await Request(scope, receive).body()
        except ClientDisconnect:
            return
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            await PlainTextResponse("This is no JSON.", 400)(scope, receive, send)
            return
        for path in _paths(told):
            if not self._uploads.has(path):
                await PlainTextResponse(f"{path[:80]!r} was not uploaded here.", 403)(scope, receive, send)
                return
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, receive_again, send)


def _is_name(path: str) -> bool:
    """Whether a file system takes it: Gradio asks for whatever is named, and fails over the rest."""
    raw = path.encode()
    return len(raw) <= MOST_PATH_BYTES and max(map(len, raw.split(b"/"))) <= MOST_NAME_BYTES and b"\0" not in raw


class _Parts:
    """Counts the parts of a form as its bytes come: each may become a file, and a thousand may be in one piece."""

    def __init__(self, content_type: str) -> None:
        self._mark = b"--" + parse_options_header(content_type)[1].get(b"boundary", b"")
        self._rest = b""

    def count(self, body: bytes) -> int:
        """Parts that begin in the next bytes."""
        seen = self._rest + body
        self._rest = seen[1 - len(self._mark) :]
        return seen.count(self._mark)


def _paths(told: object) -> Iterator[str]:
    """Every file that an event names."""
    unseen = [told]
    while unseen:
        each = unseen.pop()
        if isinstance(each, dict):
            if isinstance(path := each.get("path"), str):
                yield path
            unseen += each.values()
        elif isinstance(each, list):
            unseen += each
