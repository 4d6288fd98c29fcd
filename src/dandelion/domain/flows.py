"""Flow runs, above all retrainings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

# In order; `dandelion.retraining.steps` holds them.
RETRAINING_STEPS = (
    *("check_performance", "check_data", "prepare_data", "train_model"),
    *("validate_model", "deploy_model", "notify"),
)


class FlowStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a flow run.

    Attributes:
        name: Name of the step.
        state: `pending`, `running`, `completed`, `skipped`, `failed`, `crashed` or `cancelled`.
        started_at: UTC; None while it waits.
        ended_at: UTC; None while it runs.
        message: Its last message.
        percent: Progress, if the step reports it.
    """

    name: str
    state: str
    started_at: datetime | None
    ended_at: datetime | None
    message: str
    percent: float | None = None


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run in Prefect.

    Attributes:
        run_id: Prefect's UUID.
        name: Prefect's name for it.
        url: Its address in Prefect's web page.
    """

    run_id: str
    name: str
    url: str


class FlowRun(_Run, frozen=True, kw_only=True):
    """One flow run.

    Attributes:
        state: `scheduled`, `pending`, `running`, `completed`, `failed`, `crashed`, `cancelled` ...
        outcome: Prefect's name of that state, which tells the result: `Promoted`, `Rejected` ...
        message: The reason for that outcome.
        parameters: Parameters of the run.
        created_at: When it was triggered, UTC.
        started_at: UTC; None while it waits.
        ended_at: UTC; None while it runs.
        steps: Steps that have started, oldest first.
    """

    state: str
    outcome: str
    message: str
    parameters: dict[str, Any]
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    steps: list[FlowStep]


class TriggeredRetraining(_Run, frozen=True, kw_only=True):
    """A retraining that was triggered; `is_new` is false if it was already there."""

    is_new: bool


class Retraining(_Run, frozen=True, kw_only=True):
    """One retraining.

    Attributes:
        state: `scheduled`, `pending`, `running`, `completed`, `failed`, `crashed` or `cancelled`.
        started_at: UTC; None while it waits.
        ended_at: UTC; None while it runs.
        reason: Who or what triggered it.
        decision: `promoted`, `rejected`, `stopped` (the photos do not allow it), `skipped` (nothing to do),
            `rolled_back` or `failed`; None while it runs.
        message: The reason for the decision.
        steps: All seven steps, in order.
    """

    state: str
    started_at: datetime | None
    ended_at: datetime | None
    reason: str
    decision: str | None
    message: str
    steps: list[FlowStep]
