"""A whole retraining in this process, step by step, without Prefect."""

from __future__ import annotations

from collections.abc import Callable

from dandelion.retraining import steps
from dandelion.retraining.lake import inspect, keep
from dandelion.retraining.request import RetrainingRequest
from dandelion.retraining.run import Run, Step, begin
from dandelion.settings import Settings


def check_data(run: Run) -> Step:
    """The same as the step, with the photos looked at here."""
    run.inspected = inspect(run.store, run.news)
    return steps.check_data(run)


def prepare_data(run: Run) -> Step:
    """The same as the step, with the photos copied here."""
    keep(run.store, run.copies)
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
    settings: Settings, run_id: str, asked: RetrainingRequest, *, say: Callable[[str], None]
) -> dict[str, str]:
    """Run the seven steps; return `outcome` and `message`.

    Raises:
        DandelionError: A step failed; people were told.
    """
    with begin(settings, run_id, asked) as run:
        if run is None:
            return {"outcome": "skipped", "message": "Another retraining goes on."}
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
