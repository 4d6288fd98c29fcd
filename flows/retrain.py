"""Daily and on demand: from figures that fall to a better model in service, in seven steps.

check_performance -> check_data -> prepare_data -> train_model -> validate_model -> deploy_model -> notify

What they do is in `dandelion.retraining.steps`; here they become tasks of Prefect.
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

# Whoever serves the flows imports this file without running it: torch and friends come with the first step.


def as_state(step: Step) -> State[Any]:
    """What Prefect's page says of a step."""
    return Completed(name="Skipped" if step.skipped else "Completed", message=step.message)


@task(cache_policy=NO_CACHE)
def check_performance(run: Run) -> State[Any]:
    """Does the model that serves need another?"""
    from dandelion.retraining import steps

    return as_state(steps.check_performance(run))


@task(cache_policy=NO_CACHE)
def check_data(run: Run) -> State[Any]:
    """Are there new photos worth training on?"""
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
    if run.page:
        show_text(run.page, key="gate", description="The gate's decision")
    return as_state(step)


@task(cache_policy=NO_CACHE)
def deploy_model(run: Run) -> State[Any]:
    """Move the alias, wait for every pod, ask the golden photos."""
    from dandelion.retraining import steps

    return as_state(steps.deploy_model(run))


@task(cache_policy=NO_CACHE)
def notify(run: Run) -> State[Any]:
    """Tell people."""
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
    """Retrain when a figure fell, an alert asks, or somebody insists.

    Args:
        force: Whatever the figures say, without cooldown and budget, and also without new photos.
        reason: In a person's words.
        alert: Name of the alert that asks.
    """
    from dandelion.orchestration.prefect_api import has_ended
    from dandelion.retraining.request import RetrainingRequest
    from dandelion.retraining.run import begin
    from dandelion.settings import load_settings

    settings, log = load_settings(), get_run_logger()
    asked, run_id = RetrainingRequest(force, reason, alert), str(runtime.flow_run.id)
    with begin(settings, run_id, asked, is_over=lambda other: asyncio.run(has_ended(settings, other))) as run:
        if run is None:
            return Completed(name="Skipped", message="Another retraining goes on.")
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
