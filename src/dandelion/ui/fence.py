"""What is open of the routes that Gradio brings: those that the page uses, and within bounds that Gradio lacks."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from starlette.datastructures import Headers
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dandelion.access import SAFE_METHODS, is_foreign
from dandelion.ui.words import LANGUAGES

UPLOAD = "/gradio_api/upload"
EVENT = "/gradio_api/queue/join"
# What the page tells of some hundred photos takes a tenth of it.
MOST_TOLD_BYTES = 1024**2
# Between two pieces of an upload; a laptop that fell asleep would hold its room for ever.
SLOWEST_SECONDS = 30.0
# Gradio has some fifty: a description of itself, proxies, code assistants, recordings, monitoring. A file is one of
# this machine: Gradio would fetch and show those of others, too.
_USED = re.compile(
    r"(?:/|/config/?|/theme\.css|/(?:assets|static)/.+"
    r"|/gradio_api/(?:queue/(?:join|data)|cancel|reset|heartbeat/.+|upload|upload_progress|file=/.+))?"
)


class Fence:
    """Refuses routes that the page does not use, pages of other sites, files that were not uploaded, and floods.

    Args:
        app: What is behind it.
        folder: Where uploads lie; they are deleted when they are some hours old.
        most_bytes: What they may take in all.
    """

    def __init__(self, app: ASGIApp, folder: Path, most_bytes: int) -> None:
        self._app = app
        self._folder = folder
        self._most_bytes = most_bytes
        self._arriving_bytes = 0
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
        elif language in LANGUAGES and not _USED.fullmatch(slash + rest):
            app = PlainTextResponse("Not found", 404)
        elif scope["path"].endswith(UPLOAD):
            app = self._take_upload
        elif scope["path"].endswith(EVENT):
            app = self._events
        await app(scope, receive, send)

    async def _take_upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Room is held for what a request promises and did not bring yet: many at a time find no more than there is."""
        promised = Headers(scope=scope).get("content-length", "")
        if not promised.isdecimal():
            await PlainTextResponse("Say how long it is: Content-Length.", 411)(scope, receive, send)
            return
        size = int(promised)
        taken = await asyncio.to_thread(self._taken_bytes)
        if taken + self._arriving_bytes + size > self._most_bytes:
            full = "Too many photos are kept here at the moment: try again later, or with fewer."
            await PlainTextResponse(full, 507)(scope, receive, send)
            return
        self._arriving_bytes += size
        coming, is_late = size, False

        async def receive_in_time() -> Message:
            nonlocal coming, is_late
            try:
                # While bytes come; behind them somebody may wait for long whether the browser goes.
                async with asyncio.timeout(SLOWEST_SECONDS if coming else None):
                    message = await receive()
            except TimeoutError:
                is_late = True
                return {"type": "http.disconnect"}
            brought = min(coming, len(message.get("body", b"")))
            coming -= brought
            self._arriving_bytes -= brought
            return message

        async def send_in_time(message: Message) -> None:
            if not is_late:
                await send(message)

        try:
            await self._app(scope, receive_in_time, send_in_time)
        except ClientDisconnect:
            pass  # nothing of what came is kept
        finally:
            self._arriving_bytes -= coming
        if is_late:
            slow = PlainTextResponse("The photos came too slowly.", 408, {"Connection": "close"})
            await slow(scope, receive, send)

    async def _take_event(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gradio reads or fetches whatever file an event names, unless it is held to those that were uploaded."""
        body = await Request(scope, receive).body()
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            await PlainTextResponse("This is no JSON.", 400)(scope, receive, send)
            return
        for path in _paths(told):
            if not self._holds(path):
                await PlainTextResponse(f"{path[:80]!r} was not uploaded here.", 403)(scope, receive, send)
                return
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, receive_again, send)

    def _holds(self, path: str) -> bool:
        try:
            return Path(path).resolve().is_relative_to(self._folder.resolve())
        except (ValueError, OSError):  # a null byte, a name too long
            return False

    def _taken_bytes(self) -> int:
        total = 0
        for folder, _, names in os.walk(self._folder):
            for name in names:
                try:
                    total += (Path(folder) / name).stat().st_size
                except FileNotFoundError:  # just deleted
                    continue
        return total


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
