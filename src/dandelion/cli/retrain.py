"""`dandelion retrain`: trigger a retraining and follow it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
import typer

from dandelion.cli.audit import record
from dandelion.cli.output import console
from dandelion.errors import OrchestrationError

ACTION = "ask_retraining"


def retrain(
    force: Annotated[
        bool, typer.Option("--force", help="Retrain whatever the metrics say, even without new photos.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Reason, for the record.")] = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the run until it ends.")] = True,
    here: Annotated[bool, typer.Option("--here", help="Run it in this process, without Prefect.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Retrain the model: by the rules of the schedule, or unconditionally with --force.

    Exit status 0 if the run completed, whatever the promotion gate decided, and 1 if it failed.
    """
    from dandelion.settings import load_settings

    settings = load_settings()
    if here:
        raise typer.Exit(_run_here(force, reason, as_json))
    from dandelion.cli.follow import follow
    from dandelion.orchestration import retrainings

    detail = {"force": force, "reason": reason}
    try:
        triggered = asyncio.run(retrainings.start(settings, force=force, reason=reason))
    except OrchestrationError as error:  # the run may have started, and only the response was lost
        record(ACTION, retrainings.FLOW, {**detail, "failed": str(error)})
        raise
    out = console(error=as_json)
    out.print(f"{triggered.name}{'' if triggered.is_new else ', already running'}: {triggered.url}", markup=False)
    record(ACTION, triggered.run_id, {**detail, "is_new": triggered.is_new})
    ended = follow(settings, triggered.run_id, out) if wait else None
    if as_json:
        found = asyncio.run(retrainings.find(settings, triggered.run_id)) if wait else triggered
        typer.echo(msgspec.json.encode(found).decode())
    raise typer.Exit(1 if ended is not None and ended.state != "completed" else 0)


def _run_here(force: bool, reason: str, as_json: bool) -> int:
    from uuid_utils import uuid7

    from dandelion.retraining.local import run_steps
    from dandelion.retraining.request import RetrainingRequest
    from dandelion.settings import load_settings

    out, run_id = console(error=as_json), str(uuid7())
    record(ACTION, run_id, {"force": force, "reason": reason})
    ended = run_steps(
        load_settings(),
        run_id,
        RetrainingRequest(force=force, reason=reason),
        say=lambda line: out.print(line, markup=False),
    )
    if as_json:
        typer.echo(msgspec.json.encode(ended).decode())
    return 0 if ended["outcome"] not in {"failed", "rolled_back"} else 1
