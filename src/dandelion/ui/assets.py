"""The page's scripts, styles and icon, served from memory.

Gradio compresses each of its scripts again for every visitor, and blocks the event loop meanwhile. The scripts never
change while the process runs, and their names contain a digest. So they are compressed once, and browsers cache them.
"""

from __future__ import annotations

import asyncio
import functools
import mimetypes
from pathlib import Path

import brotli
import gradio
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response

STATIC = Path(__file__).with_name("static")
_GRADIO = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_FOR_A_DAY = {"Cache-Control": "public, max-age=86400"}
_QUALITY = 5  # 15 % smaller than with Gradio's 4; higher values take seconds


def create_router() -> APIRouter:
    """Create their routes; include them before Gradio is mounted."""
    router = APIRouter()

    @router.get("/{language}/assets/{name}")
    async def asset(name: str, request: Request) -> Response:
        if not (_GRADIO / name).is_file():
            return Response(status_code=404)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        headers = {**_FOR_EVER, "Vary": "Accept-Encoding"}
        if not name.endswith((".js", ".css", ".svg")) or "br" not in request.headers.get("accept-encoding", ""):
            return FileResponse(_GRADIO / name, media_type=kind, headers=headers)
        body = await asyncio.to_thread(_compressed, name)
        return Response(body, media_type=kind, headers={**headers, "Content-Encoding": "br"})

    @router.get("/favicon.ico")
    @router.get("/icon.svg")
    async def icon() -> FileResponse:
        return FileResponse(STATIC / "icon.svg", headers=_FOR_A_DAY)

    @router.get("/manifest.json")
    async def manifest() -> JSONResponse:
        icons = [{"src": "icon.svg", "type": "image/svg+xml", "sizes": "any"}]
        return JSONResponse({"name": "Dandelion", "start_url": "./", "display": "browser", "icons": icons})

    return router


@functools.cache
def _compressed(name: str) -> bytes:
    return bytes(brotli.compress((_GRADIO / name).read_bytes(), mode=brotli.MODE_TEXT, quality=_QUALITY))
