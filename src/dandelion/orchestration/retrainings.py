"""Trigger, list and find retrainings, for the API and the command line.

Every function raises `OrchestrationError` if Prefect does not respond or does not know the flow.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from dandelion.domain import RETRAINING_STEPS, FlowRun, FlowStep, Retraining, TriggeredRetraining
from dandelion.orchestration.prefect_api import ENDED, PrefectApi
from dandelion.settings import Settings

FLOW = "retrain"
_DECISIONS = {
    **{decision.capitalize(): decision for decision in ("promoted", "rejected", "stopped", "skipped")},
    "RolledBack": "rolled_back",
}


@dataclass(frozen=True, slots=True)
class RetrainingRequest:
    """Why a retraining runs: the parameters of its flow.

    Attributes:
        force: Retrain whatever the metrics say, without cooldown and budget, and also without new photos.
        reason: Why, in a person's words.
        alert: Name of the alert that triggered it. An alert is reason enough, but cooldown and budget apply.
    """

    force: bool = False
    reason: str = ""
    alert: str = ""

    def __str__(self) -> str:
        """The trigger in words, for lists and notices."""
        parts = [f"alert {self.alert}" if self.alert else "", self.reason, "forced" if self.force else ""]
        return ", ".join(part for part in parts if part) or "schedule"


async def start(
    settings: Settings, *, force: bool = False, reason: str = "", alert: str = "", once: str | None = None
) -> TriggeredRetraining:
    """Trigger a retraining; while one is running, return that one.

    `once` is an idempotency key: a second call with the same key returns the run of the first, even if it has ended.
    """
    parameters = asdict(RetrainingRequest(force, reason, alert))
    async with PrefectApi(settings) as api:
        before = datetime.now(UTC)
        active = await api.find_active(FLOW)
        run = active or await api.start(FLOW, parameters, once=once)
        is_new = active is None and (run.created_at is None or run.created_at >= before)
        return TriggeredRetraining(run_id=run.run_id, name=run.name, url=run.url, is_new=is_new)


async def latest(settings: Settings, *, limit: int) -> list[Retraining]:
    """The latest retrainings, newest first."""
    async with PrefectApi(settings) as api:
        return [_retraining(run) for run in await api.list_runs(FLOW, limit=limit)]


async def find(settings: Settings, run_id: str) -> Retraining:
    """One retraining.

    Raises:
        FlowRunNotFoundError: Prefect has no run of that id.
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
        reason=str(_request(run.parameters)),
        decision=decision,
        message=run.message if run.state in ENDED else "",
        steps=[
            known.get(name, FlowStep(name=name, state=waiting, started_at=None, ended_at=None, message=""))
            for name in RETRAINING_STEPS
        ],
    )


def _request(parameters: dict[str, Any]) -> RetrainingRequest:
    """The request of any run, also of one that somebody started with odd parameters."""
    reason, alert = (str(parameters.get(name) or "") for name in ("reason", "alert"))
    return RetrainingRequest(bool(parameters.get("force")), reason, alert)
