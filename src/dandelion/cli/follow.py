"""Shows a flow run until it ends: a live table on a terminal, else one line per change."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from datetime import datetime

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text
from tenacity import AsyncRetrying, retry_if_exception_type, retry_if_not_exception_type, stop_after_delay, wait_fixed

from dandelion.domain import FlowRun, FlowStep
from dandelion.errors import FlowRunNotFoundError, OrchestrationError
from dandelion.orchestration.prefect_api import ENDED, PrefectApi
from dandelion.settings import Settings

LOOK_SECONDS = 1.0
# A retraining takes an hour, and Prefect may restart meanwhile; following it must survive that.
PATIENCE_SECONDS = 60.0
_COLOURS = {"completed": "green", "running": "cyan", "failed": "red", "crashed": "red", "skipped": "dim"}


def follow(settings: Settings, run_id: str, out: Console, *, patience_seconds: float = PATIENCE_SECONDS) -> FlowRun:
    """Show the run until it ends; return the ended run.

    Raises:
        OrchestrationError: Prefect has not answered for `patience_seconds`; the run continues.
    """
    return asyncio.run(_follow(settings, run_id, out, patience_seconds))


async def _follow(settings: Settings, run_id: str, out: Console, patience_seconds: float) -> FlowRun:
    shown: dict[str, str] = {}
    async with PrefectApi(settings) as api:
        with Live(console=out, auto_refresh=False, transient=False) if out.is_terminal else nullcontext() as live:
            while True:
                run = await _look(api, run_id, patience_seconds)
                if live is None:
                    _print_changes(run, shown, out)
                else:
                    live.update(_table(run), refresh=True)
                if run.state in ENDED:
                    break
                await asyncio.sleep(LOOK_SECONDS)
    out.print(f"{run.outcome}: {run.message}" if run.message else run.outcome, markup=False)
    return run


async def _look(api: PrefectApi, run_id: str, patience_seconds: float) -> FlowRun:
    looks = AsyncRetrying(
        retry=retry_if_exception_type(OrchestrationError) & retry_if_not_exception_type(FlowRunNotFoundError),
        wait=wait_fixed(LOOK_SECONDS),
        stop=stop_after_delay(patience_seconds),
        reraise=True,
    )
    return await looks(api.get_run, run_id)


def _print_changes(run: FlowRun, shown: dict[str, str], out: Console) -> None:
    """Print a line for every step whose state or message changed."""
    for step in run.steps:
        words = f"{step.state} {step.message}".strip()
        if shown.get(step.name) != words:
            shown[step.name] = words
            out.print(f"{step.name}: {words}", markup=False)


def _table(run: FlowRun) -> RenderableType:
    if not run.steps:
        return Text(f"{run.state}: waits for a process that serves the flows", "dim")
    table = Table("Step", "State", "Seconds", "What", box=None, pad_edge=False)
    for step in run.steps:
        state = Text(step.state, _COLOURS.get(step.state, ""))
        table.add_row(step.name, state, _seconds(step), Text(step.message))
    return table


def _seconds(step: FlowStep) -> str:
    if step.started_at is None:
        return ""
    ended = step.ended_at or datetime.now(step.started_at.tzinfo)
    return f"{(ended - step.started_at).total_seconds():.0f}"
