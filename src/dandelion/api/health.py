"""`GET /health`, `/livez`, `/readyz`, `/metrics` and `/openapi.json`: what machines ask."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get
from prometheus_client import CONTENT_TYPE_LATEST

from dandelion import __version__
from dandelion.api.access import MONITORING, OPEN
from dandelion.errors import NotReadyError
from dandelion.inference.service import PredictionService
from dandelion.telemetry import instruments


class Health(msgspec.Struct, kw_only=True):
    """How the process is.

    Attributes:
        status: `ok`, `loading` or `draining`.
        version: Version of Dandelion.
        model_version: What serves, if anything.
    """

    status: str
    version: str
    model_version: str | None


@get("/health", opt=MONITORING, summary="How the server is")
async def health(request: Request[Any, Any, Any]) -> Response[Health]:
    """200 when photos are answered, 503 otherwise."""
    service: PredictionService = request.app.state.service
    status = "draining" if service.is_draining else "ok" if service.is_ready else "loading"
    version = service.serving.ref.version if service.is_ready else None
    body = Health(status=status, version=__version__, model_version=version)
    return Response(body, status_code=200 if status == "ok" else 503)


@get("/livez", opt=MONITORING, media_type=MediaType.TEXT, summary="The process runs")
async def live() -> str:
    """Always 200: a process that cannot answer this should be restarted."""
    return "ok"


@get("/readyz", opt=MONITORING, media_type=MediaType.TEXT, summary="Photos may be sent")
async def ready(request: Request[Any, Any, Any]) -> str:
    """200 when a model is loaded and warm and the process is not about to stop."""
    service: PredictionService = request.app.state.service
    if not service.is_ready:
        raise NotReadyError("The server is draining." if service.is_draining else "No model is loaded yet.")
    return "ok"


@get("/metrics", opt=MONITORING, media_type=CONTENT_TYPE_LATEST, summary="Prometheus figures", sync_to_thread=True)
def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Prometheus text format, or OpenMetrics with exemplars where that is asked for."""
    figures, content_type = instruments.expose(request.headers.get("accept", ""))
    return Response(figures, headers={"Content-Type": content_type})


@get("/openapi.json", opt=OPEN, include_in_schema=False, media_type=MediaType.JSON)
async def schema(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The OpenAPI schema; the page on `/docs` shows the same."""
    return request.app.openapi_schema.to_schema()
