"""What is open of the routes that Gradio brings: those that the page uses, and uploads while there is room."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dandelion.ui.words import LANGUAGES

UPLOAD = "/gradio_api/upload"
# Gradio has some fifty: a description of itself, proxies, code assistants, recordings, monitoring.
_USED = re.compile(
    r"(?:/|/config/?|/theme\.css|/(?:assets|static)/.+"
    r"|/gradio_api/(?:queue/(?:join|data)|cancel|reset|heartbeat/.+|upload|upload_progress|file=.+))?"
)


class Fence:
    """Answers 404 to the rest, and 507 to uploads when the folder of uploads is full.

    Args:
        app: What is behind it.
        folder: Where uploads lie; they are deleted when they are some hours old.
        most_bytes: What they may take in all.
    """

    def __init__(self, app: ASGIApp, folder: Path, most_bytes: int) -> None:
        self._app = app
        self._folder = folder
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request pass, or refuse it."""
        answer: PlainTextResponse | None = None
        if scope["type"] == "http":
            language, slash, rest = scope["path"].removeprefix("/").partition("/")
            if language in LANGUAGES and not _USED.fullmatch(slash + rest):
                answer = PlainTextResponse("Not found", 404)
            elif scope["path"].endswith(UPLOAD) and await asyncio.to_thread(self._taken) >= self._most_bytes:
                answer = PlainTextResponse("Too many photos are kept here at the moment: try again later.", 507)
        await (answer or self._app)(scope, receive, send)

    def _taken(self) -> int:
        total = 0
        for folder, _, names in os.walk(self._folder):
            for name in names:
                try:
                    total += (Path(folder) / name).stat().st_size
                except FileNotFoundError:  # just deleted
                    continue
        return total
