"""`POST /hooks/alertmanager`: alerts that trigger a retraining."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from litestar import Request, post
from litestar.params import JSONBody

from dandelion.api.access import needs
from dandelion.api.problems import BODY_REFUSALS, documented
from dandelion.api.retrainings import trigger
from dandelion.domain import TriggeredRetraining

ACTION, RETRAIN = "action", "retrain"


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


@post(
    "/hooks/alertmanager",
    opt=needs("admin"),
    status_code=200,
    summary="Trigger a retraining by alerts",
    responses=documented(
        BODY_REFUSALS
        | {400: "A value that cannot be read", 503: "Prefect does not answer, or no process serves the flows"}
    ),
)
async def take_alerts(request: Request[Any, Any, Any], data: JSONBody[AlertNotification]) -> HookResponse:
    """Start one retraining for firing alerts with the label `action: retrain`; repeated alerts start no other."""
    firing = [each for each in data.alerts if each.status == "firing" and each.labels.get(ACTION) == RETRAIN]
    names = sorted({each.labels.get("alertname", "unnamed") for each in firing})
    if not firing:
        return HookResponse(alerts=[], retraining=None)
    which = sorted(f"{each.fingerprint or sorted(each.labels.items())}@{each.starts_at}" for each in firing)
    once = hashlib.sha256("\n".join(which).encode()).hexdigest()
    return HookResponse(alerts=names, retraining=await trigger(request, alerts=names, once=f"alert-{once}"))
