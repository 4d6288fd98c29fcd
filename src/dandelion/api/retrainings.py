"""`/admin/retrainings`: ask for a retraining, and see how the last ones went."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
import structlog
from litestar import Request, get, post
from litestar.params import FromPath, JSONBody, Parameter

from dandelion.api.access import caller_of, needs
from dandelion.api.problems import BODY_REFUSALS, documented
from dandelion.db import audit, transact
from dandelion.domain import AskedRetraining, Retraining
from dandelion.errors import DatabaseError
from dandelion.orchestration import retrainings

AUDIT_PATIENCE_SECONDS = 1.0
MOST_SHOWN = 100

log = structlog.get_logger(__name__)


class RetrainingWish(msgspec.Struct, kw_only=True):
    """What is asked for.

    Attributes:
        force: Whatever the figures say, without cooldown and budget, and also without new photos.
        reason: Why, for whoever looks later.
    """

    force: bool = False
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class Retrainings(msgspec.Struct, kw_only=True):
    """The last ones, newest first."""

    retrainings: list[Retraining]


_PROBLEMS = documented({400: "A value that cannot be read", 503: "Prefect does not answer, or nobody serves the flows"})


@post(
    "/admin/retrainings",
    opt=needs("admin"),
    status_code=202,
    summary="Ask for a retraining",
    responses=_PROBLEMS | documented(BODY_REFUSALS),
)
async def ask_for_retraining(request: Request[Any, Any, Any], data: JSONBody[RetrainingWish]) -> AskedRetraining:
    """It begins within seconds; while one goes on already, that one is the answer."""
    asked = await retrainings.start(request.app.state.settings, force=data.force, reason=data.reason)
    await record(request, asked, {"force": data.force, "reason": data.reason})
    return asked


@get("/admin/retrainings", opt=needs("admin"), summary="The last retrainings", responses=_PROBLEMS)
async def list_retrainings(
    request: Request[Any, Any, Any],
    limit: Annotated[int, Parameter(ge=1, le=MOST_SHOWN, description="Most that are wanted.")] = 20,
) -> Retrainings:
    """Newest first, each with its steps."""
    return Retrainings(retrainings=await retrainings.latest(request.app.state.settings, limit=limit))


@get(
    "/admin/retrainings/{run_id:uuid}",
    opt=needs("admin"),
    summary="One retraining",
    responses=_PROBLEMS | documented({404: "No such retraining"}),
)
async def get_retraining(request: Request[Any, Any, Any], run_id: FromPath[UUID]) -> Retraining:
    """How far it is, or how it ended."""
    return await retrainings.find(request.app.state.settings, str(run_id))


async def record(request: Request[Any, Any, Any], asked: AskedRetraining, detail: dict[str, Any]) -> None:
    """Into the audit log; a database that is down must not keep a model from being retrained."""
    actor = caller_of(request).name
    try:
        await request.app.state.journal.prepare()
        await transact(
            request.app.state.engine,
            lambda on: audit.record(
                on,
                actor=actor,
                action="ask_retraining",
                subject=asked.run_id,
                detail={**detail, "is_new": asked.is_new},
            ),
            patience_seconds=AUDIT_PATIENCE_SECONDS,
        )
    except DatabaseError as error:
        log.warning("not_in_audit_log", action="ask_retraining", actor=actor, reason=str(error), run_id=asked.run_id)
