"""`POST /hooks/alertmanager`: alerts that ask for a retraining."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from litestar import Request, post
from litestar.params import JSONBody

from dandelion.api.access import needs
from dandelion.api.problems import BODY_REFUSALS, documented
from dandelion.api.retrainings import ask
from dandelion.domain import TriggeredRetraining

ACTION, RETRAIN = "action", "retrain"


class Alert(msgspec.Struct, kw_only=True, rename="camel"):
    """One alert, as far as it matters here.

    Attributes:
        status: `firing` or `resolved`.
        labels: What it is; `action: retrain` asks for a retraining.
        starts_at: Since when.
        fingerprint: Which one it is.
    """

    status: str
    labels: dict[str, str]
    starts_at: str = ""
    fingerprint: str = ""


class AlertNotification(msgspec.Struct, kw_only=True):
    """What Alertmanager's webhook sends (version 4)."""

    alerts: list[Alert]


class HookAnswer(msgspec.Struct, kw_only=True):
    """What came of it.

    Attributes:
        alerts: Names of the alerts that ask for a retraining.
        retraining: The one that was started for them, now or when they were first told; none when none asks.
    """

    alerts: list[str]
    retraining: TriggeredRetraining | None


@post(
    "/hooks/alertmanager",
    opt=needs("admin"),
    status_code=200,
    summary="An alert asks for a retraining",
    responses=documented(
        BODY_REFUSALS | {400: "A value that cannot be read", 503: "Prefect does not answer, or nobody serves the flows"}
    ),
)
async def take_alerts(request: Request[Any, Any, Any], data: JSONBody[AlertNotification]) -> HookAnswer:
    """Start one retraining for firing alerts with the label `action: retrain`; told again, they start no other."""
    asking = [each for each in data.alerts if each.status == "firing" and each.labels.get(ACTION) == RETRAIN]
    names = sorted({each.labels.get("alertname", "unnamed") for each in asking})
    if not asking:
        return HookAnswer(alerts=[], retraining=None)
    which = sorted(f"{each.fingerprint or sorted(each.labels.items())}@{each.starts_at}" for each in asking)
    once = hashlib.sha256("\n".join(which).encode()).hexdigest()
    return HookAnswer(alerts=names, retraining=await ask(request, alerts=names, once=f"alert-{once}"))
