"""`dandelion retrain`: trigger a retraining and follow it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from dandelion.cli.audit import record
from dandelion.cli.options import Json
from dandelion.cli.output import console, print_json
from dandelion.errors import OrchestrationError
from dandelion.settings import Settings, load_settings

ACTION = "ask_retraining"


def retrain(
    force: Annotated[
        bool, typer.Option("--force", help="Retrain whatever the metrics say, even without new photos.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Reason, for the record.")] = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the run until it ends.")] = True,
    here: Annotated[bool, typer.Option("--here", help="Run it in this process, without Prefect.")] = False,
    as_json: Json = False,
) -> None:
    """Retrain the model: by the rules of the schedule, or unconditionally with --force.

    Exit status 0 if the run completed, whatever the promotion gate decided, and 1 if it failed.
    """
    settings = load_settings()
    if here:
        raise typer.Exit(_run_here(settings, force, reason, as_json))
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
        print_json(found)
    raise typer.Exit(1 if ended is not None and ended.state != "completed" else 0)


def _run_here(settings: Settings, force: bool, reason: str, as_json: bool) -> int:
    from uuid_utils import uuid7

    from dandelion.orchestration.retrainings import RetrainingRequest
    from dandelion.retraining.local import run_steps

    out, run_id = console(error=as_json), str(uuid7())
    record(ACTION, run_id, {"force": force, "reason": reason})
    request = RetrainingRequest(force=force, reason=reason)
    ended = run_steps(settings, run_id, request, say=lambda line: out.print(line, markup=False))
    if as_json:
        print_json(ended)
    return 0 if ended["outcome"] not in {"failed", "rolled_back"} else 1
