"""`GET /model` and `POST /admin/reload`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, get, post

from dandelion.api.access import needs
from dandelion.api.database import record
from dandelion.api.problems import documented
from dandelion.errors import DandelionError
from dandelion.inference.reloader import Reloader
from dandelion.inference.service import PredictionService


class ModelInput(msgspec.Struct, kw_only=True):
    """Input size of the model, pixels."""

    height: int
    width: int


class ServedModel(msgspec.Struct, kw_only=True):
    """The serving model.

    Attributes:
        name: Registered name.
        version: Version in the registry, `starter` or `local`.
        alias: The alias that selected it.
        architecture: timm model name.
        precision: Precision in which this machine runs it.
        digest: Digest of the model package.
        classes: Labels in the order of the model's outputs.
        input: Size of the model's input.
        metrics: Metrics on the test split, from training.
        since: When this process started to serve it.
        card: Model card, Markdown.
    """

    name: str
    version: str
    alias: str | None
    architecture: str
    precision: str
    digest: str
    classes: tuple[str, ...]
    input: ModelInput
    metrics: dict[str, float]
    since: datetime
    card: str


class Reloaded(msgspec.Struct, kw_only=True):
    """Whether the serving model changed."""

    changed: bool
    version: str


@get(
    "/model",
    opt=needs("read"),
    summary="The serving model",
    sync_to_thread=True,
    responses=documented({503: "No model is loaded yet"}),
)
def describe_model(request: Request[Any, Any, Any]) -> ServedModel:
    """Return the serving model with its metrics and its card."""
    service: PredictionService = request.app.state.service
    serving = service.serving
    package = serving.classifier.package
    manifest = package.manifest
    return ServedModel(
        name=serving.ref.name,
        version=serving.ref.version,
        alias=serving.ref.alias,
        architecture=manifest.architecture,
        precision=serving.classifier.precision,
        digest=package.digest,
        classes=manifest.classes,
        input=ModelInput(height=manifest.input.height, width=manifest.input.width),
        metrics=package.metrics(),
        since=serving.since,
        card=package.card,
    )


@post(
    "/admin/reload",
    opt=needs("admin"),
    status_code=200,
    summary="Reload the model",
    responses=documented({502: "MLflow does not answer", 503: "No model is loaded yet"}),
)
async def reload_model(request: Request[Any, Any, Any]) -> Reloaded:
    """Load the version that the alias points at; responds once it is in service."""
    reloader: Reloader = request.app.state.reloader
    service: PredictionService = request.app.state.service
    try:
        changed = await reloader.reload()
        version = service.serving.ref.version
    except DandelionError as error:
        await record(request, "reload", request.app.state.settings.model.alias, {"failed": str(error)})
        raise
    await record(request, "reload", version, {"changed": changed, "version": version})
    return Reloaded(changed=changed, version=version)
