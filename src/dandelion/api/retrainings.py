"""`/admin/retrainings` and `/hooks/alertmanager`: trigger a retraining, and list the latest ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, JSONBody

from dandelion.api.access import needs
from dandelion.api.database import record
from dandelion.api.problems import BODY_REFUSALS, documented
from dandelion.api.requests import MAX_JSON_BYTES, Limit
from dandelion.domain import Retraining, TriggeredRetraining
from dandelion.errors import OrchestrationError
from dandelion.orchestration import retrainings
from dandelion.settings import Settings

ACTION = "ask_retraining"


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


class Alert(msgspec.Struct, kw_only=True, rename="camel"):
    """One alert, with the fields that are used here.

    Attributes:
        status: `firing` or `resolved`.
        labels: Labels of the alert; `action: retrain` triggers a retraining.
        starts_at: When it started.
        fingerprint: Its identity.
    """

    status: str
    labels: dict[str, str]
    starts_at: str = ""
    fingerprint: str = ""


class AlertNotification(msgspec.Struct, kw_only=True):
    """Body of Alertmanager's webhook (version 4)."""

    alerts: list[Alert]


class HookResponse(msgspec.Struct, kw_only=True):
    """What the alerts triggered.

    Attributes:
        alerts: Names of the alerts that trigger a retraining.
        retraining: The retraining that they started, now or when first sent; none if there are no such alerts.
    """

    alerts: list[str]
    retraining: TriggeredRetraining | None


_PROBLEMS = documented(
    {400: "A value that cannot be read", 503: "Prefect does not answer, or no process serves the flows"}
)


@post(
    "/admin/retrainings",
    opt=needs("admin"),
    request_max_body_size=MAX_JSON_BYTES,
    status_code=202,
    summary="Trigger a retraining",
    responses=_PROBLEMS | documented(BODY_REFUSALS),
)
async def trigger_retraining(request: Request[Any, Any, Any], data: JSONBody[RetrainingTrigger]) -> TriggeredRetraining:
    """Start a retraining within seconds; if one is already running, return that one."""
    return await _trigger(request, force=data.force, reason=data.reason)


@get("/admin/retrainings", opt=needs("admin"), summary="Latest retrainings", responses=_PROBLEMS)
async def list_retrainings(request: Request[Any, Any, Any], limit: Limit = 20) -> Retrainings:
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


@post(
    "/hooks/alertmanager",
    opt=needs("admin"),
    request_max_body_size=MAX_JSON_BYTES,
    status_code=200,
    summary="Trigger a retraining by alerts",
    responses=_PROBLEMS | documented(BODY_REFUSALS),
)
async def take_alerts(request: Request[Any, Any, Any], data: JSONBody[AlertNotification]) -> HookResponse:
    """Start one retraining for firing alerts with the label `action: retrain`; repeated alerts start no other."""
    firing = [each for each in data.alerts if each.status == "firing" and each.labels.get("action") == "retrain"]
    names = sorted({each.labels.get("alertname", "unnamed") for each in firing})
    if not firing:
        return HookResponse(alerts=[], retraining=None)
    which = sorted(f"{each.fingerprint or sorted(each.labels.items())}@{each.starts_at}" for each in firing)
    once = hashlib.sha256("\n".join(which).encode()).hexdigest()
    return HookResponse(alerts=names, retraining=await _trigger(request, alerts=names, once=f"alert-{once}"))


async def _trigger(
    request: Request[Any, Any, Any],
    *,
    force: bool = False,
    reason: str = "",
    alerts: Sequence[str] = (),
    once: str | None = None,
) -> TriggeredRetraining:
    """Start a retraining, or find the one that is running, and record who triggered it."""
    detail: dict[str, Any] = {"alerts": list(alerts)} if alerts else {"force": force, "reason": reason}
    settings: Settings = request.app.state.settings
    try:
        triggered = await retrainings.start(settings, force=force, reason=reason, alert=", ".join(alerts), once=once)
    except OrchestrationError as error:  # the run may have started, and only the response was lost
        await record(request, ACTION, retrainings.FLOW, {**detail, "failed": str(error)})
        raise
    await record(request, ACTION, triggered.run_id, {**detail, "is_new": triggered.is_new})
    return triggered
