"""`GET /models`, their plots, `POST /admin/promote` and `POST /admin/rollback`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
import structlog
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from dandelion.api.access import needs
from dandelion.api.database import record
from dandelion.api.problems import BODY_REFUSALS, documented
from dandelion.api.requests import MAX_JSON_BYTES, Limit
from dandelion.concurrency.executor import BoundedExecutor
from dandelion.domain import CHAMPION, PREVIOUS, ModelVersion, Promoted, Version, VersionDetails
from dandelion.errors import DandelionError, RegistryError, VersionNotFoundError
from dandelion.inference.reloader import Reloader
from dandelion.registry import Registry, create_registry, would_be_created

Result = TypeVar("Result")

log = structlog.get_logger(__name__)

_PROBLEMS = documented(
    {400: "A value that cannot be read", 502: "MLflow does not answer", 503: "Too many requests wait for MLflow"}
)
_MISSING = documented({404: "No such version"})


class Versions(msgspec.Struct, kw_only=True):
    """Versions, newest first."""

    versions: list[Version]


class Promotion(msgspec.Struct, kw_only=True):
    """The version to promote."""

    version: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,10}$")]


@get("/models", opt=needs("read"), summary="Versions", responses=_PROBLEMS)
async def list_versions(request: Request[Any, Any, Any], limit: Limit = 20) -> Versions:
    """Return the versions of the model, newest first, with their aliases and metrics."""
    if would_be_created(request.app.state.settings):
        return Versions(versions=[])

    def query(registry: Registry) -> Versions:
        return Versions(versions=[_describe(registry, each) for each in registry.list_versions()[:limit]])

    return await _query(request, query)


@get("/models/{version:str}", opt=needs("read"), summary="One version", responses=_PROBLEMS | _MISSING)
async def get_version(request: Request[Any, Any, Any], version: FromPath[str]) -> VersionDetails:
    """Return one version with its card and the names of its plots."""

    def query(registry: Registry) -> VersionDetails:
        found = registry.get_version(version)
        short = msgspec.structs.asdict(_describe(registry, found))
        return VersionDetails(**short, card=registry.read_card(found), plots=registry.list_plots(found))

    return await _query(request, query)


@get(
    "/models/{version:str}/plots/{name:str}",
    opt=needs("read"),
    summary="A plot of a version's training",
    responses={200: ResponseSpec(bytes, media_type="image/png", description="The plot"), **_PROBLEMS, **_MISSING},
)
async def get_plot(request: Request[Any, Any, Any], version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """Return a plot from training: learning curves, confusion matrix, calibration or worst mistakes."""
    plot = await _query(request, lambda registry: registry.read_plot(registry.get_version(version), name))
    return Response(plot, media_type="image/png")


@post(
    "/admin/promote",
    opt=needs("admin"),
    request_max_body_size=MAX_JSON_BYTES,
    status_code=200,
    summary="Promote a version",
    responses=_PROBLEMS | _MISSING | documented(BODY_REFUSALS),
)
async def promote(request: Request[Any, Any, Any], data: JSONBody[Promotion]) -> Promoted:
    """Move the alias `champion`; this server loads the version at once, others within their poll interval."""
    return await _move(request, "promote", data.version, lambda registry: registry.promote(data.version))


@post(
    "/admin/rollback",
    opt=needs("admin"),
    status_code=200,
    summary="Roll back to the previous champion",
    responses=_PROBLEMS | documented({404: "There is no previous champion"}),
)
async def rollback(request: Request[Any, Any, Any]) -> Promoted:
    """Move the alias `champion` back to the previous version; a second rollback undoes the first."""
    return await _move(request, "rollback", PREVIOUS, lambda registry: registry.rollback())


async def _move(
    request: Request[Any, Any, Any], action: str, wanted: str, move: Callable[[Registry], ModelVersion]
) -> Promoted:
    def query(registry: Registry) -> tuple[ModelVersion | None, ModelVersion]:
        return registry.find_alias(CHAMPION), move(registry)

    try:
        before, after = await _query(request, query)
    except VersionNotFoundError:  # nothing was moved
        raise
    except RegistryError as error:  # the alias may have moved, and only the response was lost
        await record(request, action, f"{request.app.state.settings.model.name} {wanted}", {"failed": str(error)})
        raise
    previous = before.version if before is not None and before.version != after.version else None
    await record(request, action, f"{after.name} {after.version}", {"previous": previous})
    reloader: Reloader = request.app.state.reloader
    # The alias has moved: an error here would make the client move it again. The next poll loads the version.
    try:
        await reloader.reload()
    except DandelionError as error:
        log.warning("task_failed", task="reload", reason=str(error))
    except Exception:
        log.exception("task_failed", task="reload")
    log.info("alias_moved", action=action, version=after.version)
    return Promoted(version=after.version, previous=previous)


def _describe(registry: Registry, found: ModelVersion) -> Version:
    return Version(
        version=found.version,
        aliases=found.aliases,
        digest=found.digest,
        made_at=datetime.fromtimestamp(found.created_ms / 1000, UTC),
        metrics=registry.read_metrics(found),
        tags=found.tags,
    )


async def _query(request: Request[Any, Any, Any], query: Callable[[Registry], Result]) -> Result:
    """Query the registry, if there is one already."""
    state = request.app.state
    if would_be_created(state.settings):
        raise VersionNotFoundError("There is no registry yet.", "Create one: `dandelion train` or `dandelion up`.")

    def work() -> Result:
        if state.registry is None:  # lazily, since an embedded one imports MLflow's client
            state.registry = create_registry(state.settings)
        return query(state.registry)

    threads: BoundedExecutor = state.registry_threads
    return await threads.run(work)
