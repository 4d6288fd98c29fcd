"""Step 5: is the candidate good enough?"""

from __future__ import annotations

import json

from dandelion.registry import Registry
from dandelion.retraining.compare import Comparison, compare, judged_photos, told_lately
from dandelion.retraining.guard import with_database
from dandelion.retraining.report import render_markdown, render_report
from dandelion.retraining.run import Run, Step
from dandelion.retraining.scores import score

GATE_TAG = "dandelion.gate"
REASON_TAG = "dandelion.gate_reason"
AGAINST_TAG = "dandelion.gate_against"
PAGE = "gate/report.html"
DECISION = "gate/decision.json"


def validate_model(run: Run) -> Step:
    """Ask both models the same photos, let the gate decide, and write its decision on the version.

    Raises:
        DandelionError: The database, the object store or MLflow did not answer.
    """
    if skipped := run.skip():
        return skipped
    candidate, champion = run.trained, run.champion
    if champion is not None and champion.version == candidate.version:
        # It was deployed already by a run that was killed right after.
        return Step(f"Version {candidate.version} serves already.", skipped=True)
    days = run.settings.release.recent_days
    lately = with_database(run.settings, lambda engine: told_lately(engine, days))
    photos = judged_photos(run.store, run.frozen, lately)
    package = run.registry.download(candidate, run.settings.cache)
    inference = run.settings.inference
    run.comparison = comparison = compare(
        photos,
        score(package, photos, inference),
        score(champion.package, photos, inference) if champion else None,
        run.settings.release,
    )
    against = champion.version if champion else None
    run.page = render_markdown(comparison, candidate=candidate.version, champion=against)
    _write_down(run.registry, candidate.version, candidate.run_id, comparison, against)
    decision = comparison.decision
    if decision.promote:
        return Step(f"Promote. {decision.reason}")
    return run.end("rejected", decision.reason)


def _write_down(
    registry: Registry, version: str, run_id: str | None, comparison: Comparison, against: str | None
) -> None:
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
    page = render_report(comparison, candidate=version, champion=against)
    metrics = {
        "promote": decision.promote,
        "reason": decision.reason,
        "difference": decision.difference,
        "checks": [{"name": each.name, "passed": each.passed, "message": each.message} for each in decision.checks],
    }
    with registry.asking("write the gate's page"):
        registry.client.log_text(run_id, page, PAGE)
        registry.client.log_text(run_id, json.dumps(metrics, indent=2), DECISION)
