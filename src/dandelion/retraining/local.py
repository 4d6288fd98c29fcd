"""Take the steps of a retraining in their order; a whole one in this process, without Prefect."""

from __future__ import annotations

from collections.abc import Callable

from dandelion.orchestration.retrainings import RetrainingRequest
from dandelion.retraining.run import Run, Step, begin
from dandelion.retraining.state import State
from dandelion.retraining.steps import STEPS, notify
from dandelion.settings import Settings


def take_steps(run: Run, take: Callable[[Step], object]) -> None:
    """Call `take` with each step in order, and with `notify` at the end, also when a step failed."""
    try:
        for step in STEPS:
            take(step)
    except Exception as error:
        run.fail(str(error))
        take(notify)
        raise
    take(notify)


def advance(run: Run, step: Step) -> State:
    """Take a step, unless an earlier one has ended the run; `notify` comes after the end."""
    if run.state.outcome is not None and step is not notify:
        run.state = run.state.skip(f"Nothing to do: the run was {run.state.outcome}.")
    else:
        run.state = step(run, run.state)
    return run.state


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
        take_steps(run, lambda step: say(f"{step.__name__}: {advance(run, step).message}"))
        return {"outcome": str(run.state.outcome), "message": run.state.reason}
