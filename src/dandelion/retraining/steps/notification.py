"""Step 7: people hear of it."""

from __future__ import annotations

from dandelion.retraining.asked import Outcome
from dandelion.retraining.notice import Notice, send
from dandelion.retraining.run import Run, Step

_TITLES: dict[Outcome, str] = {
    "promoted": "version {version} serves",
    "rejected": "version {version} was rejected",
    "stopped": "the photos do not allow a retraining",
    "skipped": "no retraining",
    "failed": "a retraining failed",
    "rolled_back": "version {version} was taken back",
}
_ACTIONS: dict[Outcome, str] = {
    "promoted": "Way back: dandelion models rollback",
    "rejected": "The champion stays. Look at gate/report.html of the candidate's MLflow run; if you know better: "
    "dandelion models promote {version}",
    "stopped": "Bring photos (dandelion data upload photos/) or tell truths, then: dandelion retrain",
    "skipped": "",
    "failed": "Mend the cause, then: dandelion retrain. It goes on where it stopped.",
    "rolled_back": "The champion of before serves. Look at the golden photos and at the log of the pods.",
}


def notify(run: Run) -> Step:
    """Tell whoever the settings name how the run ended; never fails a run."""
    outcome = run.outcome or "failed"
    names = {"version": run.candidate.version if run.candidate else "?"}
    notice = Notice(
        outcome=outcome,
        title=f"{run.settings.model.name}: {_TITLES[outcome].format(**names)}",
        body=f"{run.message}\nAsked for by: {run.asked}.",
        action=_ACTIONS[outcome].format(**names),
        links=run.links,
    )
    return Step(send(notice, run.settings.notify))
