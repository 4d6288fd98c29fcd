"""The Litestar application."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path

import structlog
from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import License
from litestar.static_files import create_static_files_router

from dandelion import __version__
from dandelion.api import health, history, model, predict
from dandelion.api.problems import to_response
from dandelion.api.requests import RequestContext
from dandelion.db import create_engine
from dandelion.inference.reloader import Reloader
from dandelion.inference.service import PredictionService
from dandelion.inference.source import ModelSource
from dandelion.journal import Journal
from dandelion.settings import Settings, load_settings
from dandelion.telemetry.logs import configure_logging

log = structlog.get_logger(__name__)

_ASSETS = "/docs/assets"
_DESCRIPTION = "Photos in, classes out. Errors are problem details (RFC 9457) with a `reason` for programs."


def create_app(settings: Settings | None = None) -> Litestar:
    """The application; it loads its model when it starts, not when it is made.

    Without `settings` they are read from the environment, which is how server processes are started.
    """
    settings = load_settings() if settings is None else settings
    configure_logging(settings.log)
    service = PredictionService(settings)
    reloader = Reloader(service, ModelSource(settings), settings.model.poll_seconds)
    engine = create_engine(settings)
    journal = Journal(settings, engine)

    @contextlib.asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await reloader.start()
        running = [asyncio.create_task(reloader.watch()), asyncio.create_task(journal.ship_for_ever())]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await asyncio.to_thread(service.close)
            await journal.close()
            await engine.dispose()

    return Litestar(
        route_handlers=[
            predict.predict,
            predict.explain,
            history.list_predictions,
            history.get_prediction,
            history.give_feedback,
            model.describe_model,
            model.reload_model,
            health.health,
            health.live,
            health.ready,
            health.metrics,
            health.schema,
            create_static_files_router(_ASSETS, directories=[_swagger_assets()], include_in_schema=False),
        ],
        lifespan=[lifespan],
        state=State(
            {"settings": settings, "service": service, "reloader": reloader, "engine": engine, "journal": journal}
        ),
        middleware=[RequestContext(access_log=settings.log.access)],
        exception_handlers={Exception: to_response},
        cors_config=_cors(settings),
        # Single answers are smaller than the minimum, PNG is compressed already.
        compression_config=CompressionConfig(
            backend="gzip", gzip_compress_level=5, minimum_size=1024, exclude=["^/explain"]
        ),
        openapi_config=OpenAPIConfig(
            title="Dandelion",
            version=__version__,
            description=_DESCRIPTION,
            license=License(name="Apache-2.0", identifier="Apache-2.0"),
            path="/docs",
            render_plugins=[
                SwaggerRenderPlugin(
                    path="/",
                    js_url=f"{_ASSETS}/swagger-ui-bundle.js",
                    css_url=f"{_ASSETS}/swagger-ui.css",
                    standalone_preset_js_url=f"{_ASSETS}/swagger-ui-standalone-preset.js",
                    favicon=f"<link rel='icon' type='image/png' href='{_ASSETS}/favicon-32x32.png'>",
                )
            ],
        ),
        request_max_body_size=settings.api.max_upload_bytes,
        logging_config=None,
        debug=False,
    )


def _swagger_assets() -> Path:
    """The installed Swagger UI: the page works where browsers reach nothing but this server."""
    found = importlib.util.find_spec("swagger_ui")
    if found is None or found.origin is None:
        raise ImportError("swagger-ui-py is not installed.")
    return Path(found.origin).parent / "static"


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.api.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.api.cors_origins),
        allow_methods=["GET", "POST"],
        expose_headers=["X-Request-ID", "Retry-After"],
    )
