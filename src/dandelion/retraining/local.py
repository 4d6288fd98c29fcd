"""Run a whole retraining in this process, without Prefect."""

from __future__ import annotations

from collections.abc import Callable

from dandelion.retraining.request import RetrainingRequest
from dandelion.retraining.run import begin
from dandelion.retraining.steps import STEPS, notify
from dandelion.settings import Settings


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
                say(f"{step.__name__}: {run.advance(step).message}")
        except Exception as error:
            run.fail(str(error))
            run.advance(notify, after_end=True)
            raise
        say(f"notify: {run.advance(notify, after_end=True).message}")
        return {"outcome": str(run.state.outcome), "message": run.state.reason}
