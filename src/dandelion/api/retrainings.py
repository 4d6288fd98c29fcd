"""`/admin/retrainings`: trigger a retraining, and list the latest ones."""

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

ACTION = "ask_retraining"
MOST_SHOWN = 100


class RetrainingTrigger(msgspec.Struct, kw_only=True):
    """How to retrain.

    Attributes:
        force: Retrain whatever the metrics say, even without new photos, and ignore cooldown and budget.
        reason: Reason, for the record.
    """

    force: bool = False
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class Retrainings(msgspec.Struct, kw_only=True):
    """The latest retrainings, newest first."""

    retrainings: list[Retraining]


_PROBLEMS = documented(
    {400: "A value that cannot be read", 503: "Prefect does not answer, or no process serves the flows"}
)


@post(
    "/admin/retrainings",
    opt=needs("admin"),
    status_code=202,
    summary="Trigger a retraining",
    responses=_PROBLEMS | documented(BODY_REFUSALS),
)
async def trigger_retraining(request: Request[Any, Any, Any], data: JSONBody[RetrainingTrigger]) -> TriggeredRetraining:
    """Start a retraining within seconds; if one is already running, return that one."""
    return await trigger(request, force=data.force, reason=data.reason)


@get("/admin/retrainings", opt=needs("admin"), summary="Latest retrainings", responses=_PROBLEMS)
async def list_retrainings(
    request: Request[Any, Any, Any],
    limit: Annotated[int, Parameter(ge=1, le=MOST_SHOWN, description="Maximum number to return.")] = 20,
) -> Retrainings:
    """Return the latest retrainings, newest first, each with its steps."""
    return Retrainings(retrainings=await retrainings.latest(request.app.state.settings, limit=limit))


@get(
    "/admin/retrainings/{run_id:uuid}",
    opt=needs("admin"),
    summary="One retraining",
    responses=_PROBLEMS | documented({404: "No such retraining"}),
)
async def get_retraining(request: Request[Any, Any, Any], run_id: FromPath[UUID]) -> Retraining:
    """Return one retraining: its progress, or its outcome."""
    return await retrainings.find(request.app.state.settings, str(run_id))


async def trigger(
    request: Request[Any, Any, Any],
    *,
    force: bool = False,
    reason: str = "",
    alerts: Sequence[str] = (),
    once: str | None = None,
) -> TriggeredRetraining:
    """Start a retraining, or find the one that is running, and record who triggered it.

    Raises:
        OrchestrationError: Prefect does not answer, or no process serves the flow.
    """
    detail: dict[str, Any] = {"alerts": list(alerts)} if alerts else {"force": force, "reason": reason}
    settings: Settings = request.app.state.settings
    try:
        triggered = await retrainings.start(settings, force=force, reason=reason, alert=", ".join(alerts), once=once)
    except OrchestrationError as error:  # the run may have started, and only the response was lost
        await record(request, ACTION, retrainings.FLOW, {**detail, "failed": str(error)})
        raise
    await record(request, ACTION, triggered.run_id, {**detail, "is_new": triggered.is_new})
    return triggered
