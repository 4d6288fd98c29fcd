"""Runs of flows, retrainings above all."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class FlowStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a flow's run.

    Attributes:
        name: Which.
        state: `pending`, `running`, `completed`, `skipped`, `failed`, `crashed` or `cancelled`.
        started_at: UTC; None while it waits.
        ended_at: UTC; None while it runs.
        message: What it said last.
        percent: How far it is, where it says so.
    """

    name: str
    state: str
    started_at: datetime | None
    ended_at: datetime | None
    message: str
    percent: float | None = None


class FlowRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a flow.

    Attributes:
        run_id: Prefect's UUID.
        name: Prefect's name for it.
        url: Its page.
        state: `scheduled`, `pending`, `running`, `completed`, `failed`, `crashed`, `cancelled` ...
        outcome: Prefect's name of that state, in which flows say how they ended: `Promoted`, `Rejected` ...
        message: Why it ended so.
        parameters: What it was told.
        created_at: When it was asked for, UTC.
        started_at: UTC; None while it waits.
        ended_at: UTC; None while it runs.
        steps: Those that have begun, oldest first.
    """

    run_id: str
    name: str
    url: str
    state: str
    outcome: str
    message: str
    parameters: dict[str, Any]
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    steps: list[FlowStep]


class TriggeredRetraining(msgspec.Struct, frozen=True, kw_only=True):
    """A retraining that was asked for.

    Attributes:
        run_id: Prefect's UUID.
        name: Prefect's name for it.
        url: Its page.
        is_new: Whether it was started for this; false when it was there already.
    """

    run_id: str
    name: str
    url: str
    is_new: bool


class Retraining(msgspec.Struct, frozen=True, kw_only=True):
    """One retraining.

    Attributes:
        run_id: Prefect's UUID.
        name: Prefect's name for it.
        url: Its page.
        state: `scheduled`, `pending`, `running`, `completed`, `failed`, `crashed` or `cancelled`.
        started_at: UTC; None while it waits.
        ended_at: UTC; None while it runs.
        reason: Who or what asked for it.
        decision: `promoted`, `rejected`, `stopped` (the photos do not allow it), `skipped` (nothing to do),
            `rolled_back` or `failed`; None while it runs.
        message: Why.
        steps: All seven, in order.
    """

    run_id: str
    name: str
    url: str
    state: str
    started_at: datetime | None
    ended_at: datetime | None
    reason: str
    decision: str | None
    message: str
    steps: list[FlowStep]
