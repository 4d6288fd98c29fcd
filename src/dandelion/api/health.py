"""`GET /health`, `/livez`, `/readyz` and `/metrics`: routes for machines."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get
from prometheus_client import CONTENT_TYPE_LATEST

from dandelion import __version__
from dandelion.api.access import MONITORING
from dandelion.errors import NotReadyError
from dandelion.inference.service import PredictionService
from dandelion.telemetry import instruments


class Health(msgspec.Struct, kw_only=True):
    """State of the process.

    Attributes:
        status: `ok`, `loading` or `draining`.
        version: Version of Dandelion.
        model_version: The serving version, if there is one.
    """

    status: str
    version: str
    model_version: str | None


@get("/health", opt=MONITORING, summary="State of the server")
async def health(request: Request[Any, Any, Any]) -> Response[Health]:
    """Return 200 if the server can classify photos, else 503."""
    service: PredictionService = request.app.state.service
    status = "draining" if service.is_draining else "ok" if service.is_ready else "loading"
    version = service.serving.ref.version if service.is_ready else None
    body = Health(status=status, version=__version__, model_version=version)
    return Response(body, status_code=200 if status == "ok" else 503)


@get("/livez", opt=MONITORING, media_type=MediaType.TEXT, summary="Liveness")
async def live() -> str:
    """Always return 200; restart a process that cannot answer this."""
    return "ok"


@get("/readyz", opt=MONITORING, media_type=MediaType.TEXT, summary="Readiness")
async def ready(request: Request[Any, Any, Any]) -> str:
    """Return 200 if a model is loaded and warm and the process is not draining."""
    service: PredictionService = request.app.state.service
    if not service.is_ready:
        raise NotReadyError("The server is draining." if service.is_draining else "No model is loaded yet.")
    return "ok"


@get("/metrics", opt=MONITORING, media_type=CONTENT_TYPE_LATEST, summary="Prometheus metrics", sync_to_thread=True)
def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return the Prometheus text format, or OpenMetrics with exemplars if the client accepts it."""
    body, content_type = instruments.expose(request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": content_type})
