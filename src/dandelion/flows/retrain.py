"""Daily and on demand: from falling metrics to a better model in service, in seven steps.

`dandelion.retraining.steps` does the work; this module turns each step into a Prefect task.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

if TYPE_CHECKING:
    from dandelion.retraining.run import Run, Step

# The process that serves the flows imports this file without running it, so the flow imports torch and other large
# libraries itself.


@flow(name="retrain")
def retrain(force: bool = False, reason: str = "", alert: str = "") -> State[Any]:
    """Retrain when a metric fell, an alert fired, or somebody forces a run.

    Args:
        force: Retrain whatever the metrics say, without cooldown and budget, and also without new photos.
        reason: Why, in a person's words.
        alert: Name of the alert that triggered the run.
    """
    from dandelion.orchestration.prefect_api import has_ended
    from dandelion.orchestration.retrainings import RetrainingRequest
    from dandelion.retraining.local import take_steps
    from dandelion.retraining.run import begin
    from dandelion.settings import load_settings

    settings = load_settings()
    request, run_id = RetrainingRequest(force, reason, alert), str(runtime.flow_run.id)
    with begin(settings, run_id, request, is_over=lambda other: asyncio.run(has_ended(settings, other))) as run:
        if run is None:
            return Completed(name="Skipped", message="Another retraining is running.")
        report_to_prefect(run)
        take_steps(run, partial(run_as_task, run))
        if run.state.outcome == "rolled_back":
            return Failed(name="RolledBack", message=run.state.reason)
        return Completed(name=(run.state.outcome or "failed").capitalize(), message=run.state.reason)


def run_as_task(run: Run, step: Step) -> None:
    """Take a step as a Prefect task of its name, whose state says what the step did."""
    from dandelion.retraining.local import advance

    @task(name=step.__name__, description=step.__doc__, cache_policy=NO_CACHE)
    def take() -> State[Any]:
        done = advance(run, step)
        return Completed(name="Skipped" if done.skipped else "Completed", message=done.message)

    take()


def report_to_prefect(run: Run) -> None:
    """Let a run report where Prefect shows it, and spread photos over Prefect's task runner."""
    from dandelion.orchestration.artifacts import ProgressBar, show_text
    from dandelion.orchestration.shards import cut, run_shards
    from dandelion.retraining.lake import OnOwnStore

    log, bar = get_run_logger(), ProgressBar()

    def progress(percent: float, words: str) -> None:
        log.info(words)
        bar.show(percent, words)

    def spread(work: Any, items: Any) -> list[Any]:
        shards = cut(items, run.settings.prefect.shard_photos)
        return run_shards(OnOwnStore(work), shards, run.settings.prefect)

    run.say, run.progress, run.spread = log.info, progress, spread
    run.publish = lambda report: show_text(report, key="gate", description="The gate's decision")
    run.state = replace(run.state, links={"Run": str(runtime.flow_run.ui_url)})
