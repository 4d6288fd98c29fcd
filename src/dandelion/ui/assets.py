"""The page's scripts, styles, icon and theme, served from memory.

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
from gradio import themes
from gradio.themes.utils.fonts import Font, LocalFont

STATIC = Path(__file__).with_name("static")
_GRADIO = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
_QUALITY = 5  # 15 % smaller than with Gradio's 4; higher values take seconds


def create_router() -> APIRouter:
    """Create their routes; include them before Gradio is mounted."""
    router = APIRouter()

    @router.get("/{language}/assets/{name}")
    async def asset(name: str, request: Request) -> Response:
        if not (_GRADIO / name).is_file():
            return Response(status_code=404)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        if not name.endswith((".js", ".css", ".svg")) or "br" not in request.headers.get("accept-encoding", ""):
            return FileResponse(_GRADIO / name, media_type=kind, headers=headers)
        body = await asyncio.to_thread(_compressed, name)
        return Response(body, media_type=kind, headers={**headers, "Content-Encoding": "br"})

    @router.get("/favicon.ico")
    @router.get("/icon.svg")
    async def icon() -> FileResponse:
        return FileResponse(STATIC / "icon.svg", headers={"Cache-Control": "public, max-age=86400"})

    @router.get("/manifest.json")
    async def manifest() -> JSONResponse:
        icons = [{"src": "icon.svg", "type": "image/svg+xml", "sizes": "any"}]
        return JSONResponse({"name": "Dandelion", "start_url": "./", "display": "browser", "icons": icons})

    return router


def create_theme() -> themes.Base:
    """Create Gradio's default theme in green and amber, light and dark, with enough contrast for WCAG 2.2 AA."""
    # Gradio's file for weight 600 of this font lacks most letters.
    font: list[Font | str] = [LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"]
    mono: list[Font | str] = [LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"]
    return themes.Default(
        primary_hue="green", secondary_hue="amber", neutral_hue="stone", font=font, font_mono=mono
    ).set(
        color_accent="*primary_700",
        border_color_accent="*primary_700",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        button_cancel_background_fill="#b91c1c",
        button_cancel_background_fill_hover="#991b1b",
        button_cancel_background_fill_dark="#b91c1c",
        button_cancel_background_fill_hover_dark="#991b1b",
        link_text_color="*primary_800",
        link_text_color_dark="*primary_300",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
    )


@functools.cache
def _compressed(name: str) -> bytes:
    return bytes(brotli.compress((_GRADIO / name).read_bytes(), mode=brotli.MODE_TEXT, quality=_QUALITY))
