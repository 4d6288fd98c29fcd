"""Step 7: notify people of the outcome."""

from __future__ import annotations

from dandelion.domain import CHAMPION
from dandelion.retraining.notice import Notice, send
from dandelion.retraining.run import Run
from dandelion.retraining.state import Outcome, State

# What happened, and what the reader can do now.
_TEXTS: dict[Outcome, tuple[str, str]] = {
    "promoted": ("version {version} is in service", "To roll back, run: dandelion models rollback"),
    "rejected": (
        "version {version} was rejected",
        "The champion stays in service. Read gate/report.html among the artifacts of the candidate's MLflow run. To "
        "promote the candidate anyway, run: dandelion models promote {version}",
    ),
    "stopped": (
        "the photos do not allow a retraining",
        "Upload photos (dandelion data upload photos/) or label photos, then run: dandelion retrain",
    ),
    "skipped": ("no retraining", ""),
    "failed": ("a retraining failed", "Fix the cause, then run: dandelion retrain. It resumes where it stopped."),
    "rolled_back": (
        "version {version} was rolled back",
        "The previous champion is in service again. Check the golden photos and the logs of the pods.",
    ),
}
# When a candidate is on trial first, `models rollback` would roll back the champion, which did not move.
_TRIAL = (
    "version {version} is on trial",
    "The champion stays in service. Route a share of requests to the trial, then promote it or withdraw the share: "
    "docs/releases.md",
)


def notify(run: Run, state: State) -> State:
    """Notify the addresses of the settings how the run ended; never fails a run."""
    outcome = state.outcome or "failed"
    version = state.candidate.version if state.candidate else "?"
    is_trial = outcome == "promoted" and run.settings.release.alias != CHAMPION
    title, action = _TRIAL if is_trial else _TEXTS[outcome]
    notice = Notice(
        outcome=outcome,
        title=f"{run.settings.model.name}: {title.format(version=version)}",
        body=f"{state.reason}\nTrigger: {run.request}.",
        action=action.format(version=version),
        links=state.links,
    )
    return state.after(send(notice, run.settings.notify))
