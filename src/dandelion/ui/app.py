"""The page's server: Gradio's blocks, mounted once per language, and a few routes beside them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse

from dandelion.access import RateLimiter
from dandelion.concurrency.periodic import run_periodically
from dandelion.concurrency.tasks import end_all
from dandelion.settings import Settings
from dandelion.ui import photos, sign_in
from dandelion.ui.allowlist import RouteAllowlist
from dandelion.ui.backend import PULSE_SECONDS, Backend
from dandelion.ui.examples import find_examples
from dandelion.ui.headers import Headers
from dandelion.ui.sessions import Sessions
from dandelion.ui.traffic import SAMPLE_SECONDS, Traffic
from dandelion.ui.uploads import SWEEP_SECONDS, Uploads
from dandelion.ui.words import LANGUAGES, Words, choose_language


def create_app(settings: Settings) -> FastAPI:
    """Create the application, with a temporary folder for examples and uploads that is deleted at shutdown.

    Raises:
        SettingsError: The folder of examples holds no photo.
    """
    folder = tempfile.TemporaryDirectory(prefix="dandelion-ui-")
    # Separate: an example that a visitor could name as an upload would be deleted like one.
    uploaded, shown = Path(folder.name, "uploads"), Path(folder.name, "examples")
    for each in (uploaded, shown):
        each.mkdir()
    # Gradio reads these when it is first imported.
    os.environ["GRADIO_TEMP_DIR"] = str(uploaded)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    sessions = Sessions(settings.ui.session_hours)
    backend = Backend(settings, sessions)
    traffic = Traffic(settings.pods_url)
    uploads = Uploads(uploaded, settings.ui.max_uploads_bytes)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        running = [
            asyncio.create_task(each)
            for each in (
                run_periodically("pulse of the API", backend.look, pause_seconds=PULSE_SECONDS),
                run_periodically("traffic", traffic.sample, pause_seconds=SAMPLE_SECONDS, spread=0),
                run_periodically("uploads", uploads.tidy, pause_seconds=SWEEP_SECONDS),
            )
        ]
        async with contextlib.AsyncExitStack() as closing:
            closing.callback(folder.cleanup)
            closing.push_async_callback(traffic.close)
            closing.push_async_callback(backend.close)
            closing.push_async_callback(end_all, running)
            yield

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(RouteAllowlist, uploads=uploads)
    app.add_middleware(Headers)
    # With a CORS policy on the outer server, Gradio does not add its own, which allows every origin.
    app.add_middleware(CORSMiddleware, allow_origins=[])
    app.include_router(sign_in.create_router(backend, sessions, RateLimiter(settings.access)))

    examples = find_examples(settings.ui.examples, shown)
    app.include_router(photos.create_router(backend, examples))

    @app.get("/livez")
    @app.get("/readyz")
    async def ready() -> PlainTextResponse:
        # The page is useful without the API: it shows that the API is down and holds photos until it is back.
        return PlainTextResponse("ok")

    @app.get("/pulse")
    async def pulse() -> JSONResponse:
        return JSONResponse({"api": "up" if backend.is_up else "down"})

    @app.get("/")
    async def negotiate(request: Request) -> RedirectResponse:
        # Relative if no proxy says under which path browsers see the page.
        root = f"{path}/" if (path := request.scope["root_path"]) else ""
        return RedirectResponse(f"{root}{choose_language(request.headers.get('accept-language', ''))}/", 307)

    _mount_pages(app, settings, backend, traffic, uploads, examples)
    return app


def _mount_pages(
    app: FastAPI, settings: Settings, backend: Backend, traffic: Traffic, uploads: Uploads, examples: Sequence[Path]
) -> None:
    import gradio as gr

    from dandelion.ui import assets
    from dandelion.ui.blocks import create_blocks
    from dandelion.ui.label import LabelLeases
    from dandelion.ui.page import Page

    app.include_router(assets.create_router())
    leases = LabelLeases()  # shared by all languages, since they share one queue
    for language in LANGUAGES:
        page = Page(words=Words(language), backend=backend, uploads=uploads)
        blocks = create_blocks(page, traffic, leases, examples)
        # Gradio checks that the files in a request were uploaded only for blocks that were launched.
        blocks.has_launched = True
        gr.mount_gradio_app(
            app,
            blocks,
            path=f"/{language}",
            app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
            footer_links=[],
            run_history=False,  # else the visitors' browsers store what they do
            max_file_size=settings.api.max_upload_bytes,
            ssr_mode=False,
            enable_monitoring=False,
            mcp_server=False,
            theme=assets.create_theme(),
            css_paths=[assets.STATIC / "style.css"],
            # Gradio shows its own texts in the browser's language; the visitor may have chosen another.
            head='<link rel="icon" href="../icon.svg" type="image/svg+xml">'
            f"<script>Object.defineProperty(navigator, 'language', {{get: () => '{language}'}})</script>",
        )
