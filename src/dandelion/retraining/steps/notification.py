"""Step 7: people hear of it."""

from __future__ import annotations

from dandelion.domain import CHAMPION
from dandelion.retraining.notice import Notice, send
from dandelion.retraining.request import Outcome
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
    "stopped": "Bring photos (dandelion data upload photos/) or label photos, then: dandelion retrain",
    "skipped": "",
    "failed": "Mend the cause, then: dandelion retrain. It goes on where it stopped.",
    "rolled_back": "The champion of before serves. Look at the golden photos and at the log of the pods.",
}


# Where a candidate is on trial first, `models rollback` would take back the champion, which is not what moved.
_TRIAL_TITLE = "version {version} is on trial"
_TRIAL_ACTION = (
    "The champion stays. Give the trial its share of requests, and promote it or take the share back: docs/releases.md"
)


def notify(run: Run) -> Step:
    """Tell whoever the settings name how the run ended; never fails a run."""
    outcome = run.outcome or "failed"
    names = {"version": run.candidate.version if run.candidate else "?"}
    is_trial = outcome == "promoted" and run.settings.release.alias != CHAMPION
    title, action = (_TRIAL_TITLE, _TRIAL_ACTION) if is_trial else (_TITLES[outcome], _ACTIONS[outcome])
    notice = Notice(
        outcome=outcome,
        title=f"{run.settings.model.name}: {title.format(**names)}",
        body=f"{run.message}\nAsked for by: {run.asked}.",
        action=action.format(**names),
        links=run.links,
    )
    return Step(send(notice, run.settings.notify))
