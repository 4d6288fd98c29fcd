"""Step 5: let the promotion gate decide whether the candidate is good enough."""

from __future__ import annotations

import json
from dataclasses import replace

from dandelion.registry import Registry
from dandelion.retraining.compare import Comparison, compare, judged_photos, recently_labelled
from dandelion.retraining.guard import with_database
from dandelion.retraining.report import render_markdown, render_report
from dandelion.retraining.run import Run
from dandelion.retraining.scores import score
from dandelion.retraining.state import State

GATE_TAG = "dandelion.gate"
REASON_TAG = "dandelion.gate_reason"
AGAINST_TAG = "dandelion.gate_against"
REPORT = "gate/report.html"
DECISION = "gate/decision.json"


def validate_model(run: Run, state: State) -> State:
    """Classify the same photos with both models, let the gate decide, and record its decision on the version.

    Raises:
        DandelionError: The database, the object store or MLflow did not respond.
    """
    candidate, champion = state.trained, run.champion
    if champion is not None and champion.version == candidate.version:
        # A run that was killed right afterwards deployed it.
        return state.skip(f"Version {candidate.version} is in service already.")
    days = run.settings.release.recent_days
    recent = with_database(run.settings, lambda engine: recently_labelled(engine, days))
    photos = judged_photos(run.store, state.frozen, recent)
    package = run.registry.download(candidate, run.settings.cache)
    inference = run.settings.inference
    comparison = compare(
        photos,
        score(package, photos, inference),
        score(champion.package, photos, inference) if champion else None,
        run.settings.release,
    )
    against = champion.version if champion else None
    _record(run.registry, candidate.version, candidate.run_id, comparison, against)
    run.publish(render_markdown(comparison, candidate=candidate.version, champion=against))
    decision = comparison.decision
    if decision.promote:
        return state.after(f"Promote. {decision.reason}", comparison=comparison)
    return replace(state, comparison=comparison).end("rejected", decision.reason)


def _record(registry: Registry, version: str, run_id: str | None, comparison: Comparison, against: str | None) -> None:
    decision = comparison.decision
    registry.tag_version(
        version,
        {
            GATE_TAG: "promote" if decision.promote else "reject",
            REASON_TAG: decision.reason,
            AGAINST_TAG: against or "",
        },
    )
    if run_id is None:
        return
    report = render_report(comparison, candidate=version, champion=against)
    details = {
        "promote": decision.promote,
        "reason": decision.reason,
        "difference": decision.difference,
        "checks": [{"name": each.name, "passed": each.passed, "message": each.message} for each in decision.checks],
    }
    with registry.asking("write the gate's report"):
        registry.client.log_text(run_id, report, REPORT)
        registry.client.log_text(run_id, json.dumps(details, indent=2), DECISION)
