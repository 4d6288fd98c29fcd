"""Daily and on demand: from falling metrics to a better model in service, in seven steps.

check_performance -> check_data -> prepare_data -> train_model -> validate_model -> deploy_model -> notify

`dandelion.retraining.steps` does the work; this module turns the steps into Prefect tasks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

if TYPE_CHECKING:
    from dandelion.retraining.run import Run, Step

# The process that serves the flows imports this file without running it, so the steps import torch and other large
# libraries themselves.


def as_state(step: Step) -> State[Any]:
    """The state that Prefect shows for a step."""
    return Completed(name="Skipped" if step.skipped else "Completed", message=step.message)


@task(cache_policy=NO_CACHE)
def check_performance(run: Run) -> State[Any]:
    """Decide whether the serving model needs a successor."""
    from dandelion.retraining import steps

    return as_state(steps.check_performance(run))


@task(cache_policy=NO_CACHE)
def check_data(run: Run) -> State[Any]:
    """Decide whether the new photos are worth training on."""
    from dandelion.orchestration.shards import cut, run_shards
    from dandelion.retraining import steps
    from dandelion.retraining.lake import inspect_shard

    shards = cut(run.news, run.settings.prefect.shard_photos)
    run.inspected = [photo for part in run_shards(inspect_shard, shards, run.settings.prefect) for photo in part]
    return as_state(steps.check_data(run))


@task(cache_policy=NO_CACHE)
def prepare_data(run: Run) -> State[Any]:
    """Freeze the photos as a dataset version."""
    from dandelion.orchestration.shards import cut, run_shards
    from dandelion.retraining import steps
    from dandelion.retraining.lake import store_shard

    run_shards(store_shard, cut(run.copies, run.settings.prefect.shard_photos), run.settings.prefect)
    return as_state(steps.prepare_data(run))


@task(cache_policy=NO_CACHE)
def train_model(run: Run) -> State[Any]:
    """Train a candidate."""
    from dandelion.orchestration.artifacts import ProgressBar
    from dandelion.retraining import steps

    bar = ProgressBar()

    def progress(percent: float, words: str) -> None:
        run.say(words)
        bar.show(percent, words)

    run.progress = progress
    return as_state(steps.train_model(run))


@task(cache_policy=NO_CACHE)
def validate_model(run: Run) -> State[Any]:
    """Compare the candidate with the champion, and let the gate decide."""
    from dandelion.orchestration.artifacts import show_text
    from dandelion.retraining import steps

    step = steps.validate_model(run)
    if run.report:
        show_text(run.report, key="gate", description="The gate's decision")
    return as_state(step)


@task(cache_policy=NO_CACHE)
def deploy_model(run: Run) -> State[Any]:
    """Move the alias, wait for every pod, and check the golden photos."""
    from dandelion.retraining import steps

    return as_state(steps.deploy_model(run))


@task(cache_policy=NO_CACHE)
def notify(run: Run) -> State[Any]:
    """Notify people of the outcome."""
    from dandelion.retraining import steps

    return as_state(steps.notify(run))


STEPS: list[Callable[[Run], Any]] = [
    check_performance,
    check_data,
    prepare_data,
    train_model,
    validate_model,
    deploy_model,
]


@flow(name="retrain")
def retrain(force: bool = False, reason: str = "", alert: str = "") -> State[Any]:
    """Retrain when a metric fell, an alert fired, or somebody forces a run.

    Args:
        force: Retrain whatever the metrics say, without cooldown and budget, and also without new photos.
        reason: Why, in a person's words.
        alert: Name of the alert that triggered the run.
    """
    from dandelion.orchestration.prefect_api import has_ended
    from dandelion.retraining.request import RetrainingRequest
    from dandelion.retraining.run import begin
    from dandelion.settings import load_settings

    settings, log = load_settings(), get_run_logger()
    request, run_id = RetrainingRequest(force, reason, alert), str(runtime.flow_run.id)
    with begin(settings, run_id, request, is_over=lambda other: asyncio.run(has_ended(settings, other))) as run:
        if run is None:
            return Completed(name="Skipped", message="Another retraining is running.")
        run.say = log.info
        run.links["Run"] = str(runtime.flow_run.ui_url)
        try:
            for step in STEPS:
                step(run)
        except Exception as error:
            run.end("failed", str(error))
            notify(run)
            raise
        notify(run)
        if run.outcome == "rolled_back":
            return Failed(name="RolledBack", message=run.message)
        return Completed(name=(run.outcome or "failed").capitalize(), message=run.message)
