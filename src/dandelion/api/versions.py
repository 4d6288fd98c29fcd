"""`GET /models`, their plots, and which of them serves: `POST /admin/promote`, `POST /admin/rollback`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
import structlog
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, Parameter

from dandelion.api.access import needs
from dandelion.api.audit import record
from dandelion.api.problems import BODY_REFUSALS, documented
from dandelion.concurrency.executor import BoundedExecutor
from dandelion.domain import CHAMPION, PREVIOUS, ModelVersion, Promoted, Version, VersionDetails
from dandelion.errors import DandelionError, RegistryError, VersionNotFoundError
from dandelion.inference.reloader import Reloader
from dandelion.registry import Registry, create_registry, would_be_made
from dandelion.settings import Settings

Result = TypeVar("Result")

log = structlog.get_logger(__name__)

_PROBLEMS = documented({400: "A value that cannot be read", 502: "MLflow does not answer", 503: "Too many wait for it"})
_MISSING = documented({404: "No such version"})


class Versions(msgspec.Struct, kw_only=True):
    """Versions, newest first."""

    versions: list[Version]


class Promotion(msgspec.Struct, kw_only=True):
    """Which version should serve."""

    version: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,10}$")]


@get("/models", opt=needs("read"), summary="Versions", responses=_PROBLEMS)
async def list_versions(
    request: Request[Any, Any, Any],
    limit: Annotated[int, Parameter(ge=1, le=100, description="Most that are wanted.")] = 20,
) -> Versions:
    """Versions of the model, newest first, with their aliases and figures."""

    def ask(registry: Registry) -> Versions:
        return Versions(versions=[_describe(registry, each) for each in registry.list_versions()[:limit]])

    return await _ask(request, ask, otherwise=lambda: Versions(versions=[]))


@get("/models/{version:str}", opt=needs("read"), summary="One version", responses=_PROBLEMS | _MISSING)
async def get_version(request: Request[Any, Any, Any], version: FromPath[str]) -> VersionDetails:
    """One version with its card and the names of its plots."""

    def ask(registry: Registry) -> VersionDetails:
        found = registry.get_version(version)
        short = msgspec.structs.asdict(_describe(registry, found))
        return VersionDetails(**short, card=registry.read_card(found), plots=registry.list_plots(found))

    return await _ask(request, ask)


@get(
    "/models/{version:str}/plots/{name:str}",
    opt=needs("read"),
    summary="A plot of a version's training",
    responses={200: ResponseSpec(bytes, media_type="image/png", description="The plot"), **_PROBLEMS, **_MISSING},
)
async def get_plot(request: Request[Any, Any, Any], version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A plot as training drew it: learning curves, confusion, calibration, the worst mistakes."""
    plot = await _ask(request, lambda registry: registry.read_plot(registry.get_version(version), name))
    return Response(plot, media_type="image/png")


@post(
    "/admin/promote",
    opt=needs("admin"),
    status_code=200,
    summary="Let a version serve",
    responses=_PROBLEMS | _MISSING | documented(BODY_REFUSALS),
)
async def promote(request: Request[Any, Any, Any], data: JSONBody[Promotion]) -> Promoted:
    """Move the alias `champion`; this server swaps the model at once, others within their poll interval."""
    return await _move(request, "promote", data.version, lambda registry: registry.promote(data.version))


@post(
    "/admin/rollback",
    opt=needs("admin"),
    status_code=200,
    summary="Let the version serve that served before",
    responses=_PROBLEMS | documented({404: "Nothing served before"}),
)
async def rollback(request: Request[Any, Any, Any]) -> Promoted:
    """Move the alias `champion` back; a second rollback undoes the first."""
    return await _move(request, "rollback", PREVIOUS, lambda registry: registry.rollback())


async def _move(
    request: Request[Any, Any, Any], action: str, wanted: str, move: Callable[[Registry], ModelVersion]
) -> Promoted:
    def ask(registry: Registry) -> tuple[ModelVersion | None, ModelVersion]:
        return registry.find_alias(CHAMPION), move(registry)

    try:
        before, after = await _ask(request, ask)
    except VersionNotFoundError:  # so that nothing was moved
        raise
    except RegistryError as error:  # perhaps it was moved, and only the answer was lost
        await record(request, action, f"{request.app.state.settings.model.name} {wanted}", {"failed": str(error)})
        raise
    previous = before.version if before is not None and before.version != after.version else None
    await record(request, action, f"{after.name} {after.version}", {"previous": previous})
    reloader: Reloader = request.app.state.reloader
    # The alias has moved, whatever comes: an error would have it moved again. Who looks at it next follows.
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


async def _ask(
    request: Request[Any, Any, Any],
    ask: Callable[[Registry], Result],
    *,
    otherwise: Callable[[], Result] | None = None,
) -> Result:
    """What the registry answers; `otherwise` where there is none yet."""
    state = request.app.state
    settings: Settings = state.settings
    if would_be_made(settings):
        if otherwise is None:
            raise VersionNotFoundError("There is no registry yet.", "`dandelion train` or `dandelion up` makes one.")
        return otherwise()

    def work() -> Result:
        if state.registry is None:  # an embedded one imports MLflow's client, so not before it is needed
            state.registry = create_registry(settings)
        return ask(state.registry)

    threads: BoundedExecutor = state.registry_threads
    return await threads.run(work)
