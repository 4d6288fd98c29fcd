"""Run a whole retraining in this process, without Prefect."""

from __future__ import annotations

from collections.abc import Callable

from dandelion.retraining import steps
from dandelion.retraining.lake import copy_photos, inspect
from dandelion.retraining.request import RetrainingRequest
from dandelion.retraining.run import Run, Step, begin
from dandelion.settings import Settings


def check_data(run: Run) -> Step:
    """Inspect the photos in this process, then run the step."""
    run.inspected = inspect(run.store, run.news)
    return steps.check_data(run)


def prepare_data(run: Run) -> Step:
    """Copy the photos in this process, then run the step."""
    copy_photos(run.store, run.copies)
    return steps.prepare_data(run)


STEPS: list[Callable[[Run], Step]] = [
    steps.check_performance,
    check_data,
    prepare_data,
    steps.train_model,
    steps.validate_model,
    steps.deploy_model,
]


def run_steps(
    settings: Settings, run_id: str, request: RetrainingRequest, *, say: Callable[[str], None]
) -> dict[str, str]:
    """Run the seven steps; return `outcome` and `message`.

    Raises:
        DandelionError: A step failed; people were notified.
    """
    with begin(settings, run_id, request) as run:
        if run is None:
            return {"outcome": "skipped", "message": "Another retraining is running."}
        run.say = say
        run.progress = lambda _, words: say(words)
        try:
            for step in STEPS:
                say(f"{step.__name__}: {step(run).message}")
        except Exception as error:
            run.end("failed", str(error))
            steps.notify(run)
            raise
        say(f"notify: {steps.notify(run).message}")
        return {"outcome": str(run.outcome), "message": run.message}
