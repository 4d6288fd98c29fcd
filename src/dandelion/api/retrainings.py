"""`/admin/retrainings`: ask for a retraining, and see how the last ones went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, JSONBody, Parameter

from dandelion.api.access import needs
from dandelion.api.audit import record
from dandelion.api.problems import BODY_REFUSALS, documented
from dandelion.domain import Retraining, TriggeredRetraining
from dandelion.errors import OrchestrationError
from dandelion.orchestration import retrainings
from dandelion.settings import Settings

ASK = "ask_retraining"
MOST_SHOWN = 100


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
async def ask_for_retraining(request: Request[Any, Any, Any], data: JSONBody[RetrainingWish]) -> TriggeredRetraining:
    """It begins within seconds; while one goes on already, that one is the answer."""
    return await ask(request, force=data.force, reason=data.reason)


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


async def ask(
    request: Request[Any, Any, Any],
    *,
    force: bool = False,
    reason: str = "",
    alerts: Sequence[str] = (),
    once: str | None = None,
) -> TriggeredRetraining:
    """Start one, or find the one that goes on, and write down who asked.

    Raises:
        OrchestrationError: Prefect does not answer, or nobody serves the flow.
    """
    detail: dict[str, Any] = {"alerts": list(alerts)} if alerts else {"force": force, "reason": reason}
    settings: Settings = request.app.state.settings
    try:
        asked = await retrainings.start(settings, force=force, reason=reason, alert=", ".join(alerts), once=once)
    except OrchestrationError as error:  # perhaps it was begun, and only the answer was lost
        await record(request, ASK, retrainings.FLOW, {**detail, "failed": str(error)})
        raise
    await record(request, ASK, asked.run_id, {**detail, "is_new": asked.is_new})
    return asked
