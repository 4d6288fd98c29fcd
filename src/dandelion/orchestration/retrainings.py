"""Trigger, list and find retrainings, for the API and the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dandelion.domain import RETRAINING_STEPS, FlowRun, FlowStep, Retraining, TriggeredRetraining
from dandelion.orchestration.prefect_api import ENDED, PrefectApi
from dandelion.settings import Settings

FLOW = "retrain"
_DECISIONS = {
    "Promoted": "promoted",
    "Rejected": "rejected",
    "Stopped": "stopped",
    "Skipped": "skipped",
    "RolledBack": "rolled_back",
}


async def start(
    settings: Settings, *, force: bool = False, reason: str = "", alert: str = "", once: str | None = None
) -> TriggeredRetraining:
    """Trigger a retraining; while one is running, return that one.

    Args:
        settings: Where Prefect is.
        force: Retrain whatever the metrics say.
        reason: Why, in a person's words.
        alert: Name of the alert that triggers it.
        once: Idempotency key: a second call with the same key returns the run of the first call, even if it has ended.

    Raises:
        OrchestrationError: Prefect does not respond, or the flow is not deployed.
    """
    parameters: dict[str, Any] = {"force": force, "reason": reason, "alert": alert}
    async with PrefectApi(settings) as api:
        before = datetime.now(UTC)
        active = await api.find_active(FLOW)
        run = active or await api.start(FLOW, parameters, once=once)
        is_new = active is None and (run.created_at is None or run.created_at >= before)
        return TriggeredRetraining(run_id=run.run_id, name=run.name, url=run.url, is_new=is_new)


async def latest(settings: Settings, *, limit: int) -> list[Retraining]:
    """The latest retrainings, newest first.

    Raises:
        OrchestrationError: Prefect does not respond.
    """
    async with PrefectApi(settings) as api:
        return [_retraining(run) for run in await api.list_runs(FLOW, limit=limit)]


async def find(settings: Settings, run_id: str) -> Retraining:
    """One retraining.

    Raises:
        FlowRunNotFoundError: Prefect has no run of that id.
        OrchestrationError: Prefect does not respond.
    """
    async with PrefectApi(settings) as api:
        return _retraining(await api.get_run(run_id))


def _retraining(run: FlowRun) -> Retraining:
    known = {step.name: step for step in run.steps}
    waiting = "skipped" if run.state in ENDED else "pending"
    decision = _DECISIONS.get(run.outcome) or ("failed" if run.state in ENDED else None)
    return Retraining(
        run_id=run.run_id,
        name=run.name,
        url=run.url,
        state=run.state,
        started_at=run.started_at,
        ended_at=run.ended_at,
        reason=_reason(run.parameters),
        decision=decision,
        message=run.message if run.state in ENDED else "",
        steps=[
            known.get(name, FlowStep(name=name, state=waiting, started_at=None, ended_at=None, message=""))
            for name in RETRAINING_STEPS
        ],
    )


def _reason(parameters: dict[str, Any]) -> str:
    alert, reason = parameters.get("alert", ""), parameters.get("reason", "")
    words = [f"alert {alert}" if alert else "", str(reason), "forced" if parameters.get("force") else ""]
    return ", ".join(word for word in words if word) or "schedule"
