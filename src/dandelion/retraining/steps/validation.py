"""Step 5: let the promotion gate decide whether the candidate is good enough."""

from __future__ import annotations

import json
from dataclasses import asdict

from dandelion.domain import ModelVersion
from dandelion.registry import Registry
from dandelion.retraining.compare import Comparison, compare, judged_photos, recently_labelled
from dandelion.retraining.guard import with_database
from dandelion.retraining.report import render_markdown, render_report
from dandelion.retraining.run import Run
from dandelion.retraining.scores import score
from dandelion.retraining.state import State


def validate_model(run: Run, state: State) -> State:
    """Classify the same photos with both models, let the gate decide, and record its decision on the version."""
    candidate, champion, settings = state.trained, run.champion, run.settings
    if champion is not None and champion.version == candidate.version:
        # A run that was killed right afterwards deployed it.
        return state.skip(f"Version {candidate.version} is in service already.")
    recent = with_database(settings, lambda engine: recently_labelled(engine, settings.release.recent_days))
    photos = judged_photos(run.store, state.frozen, recent)
    package = run.registry.download(candidate, settings.cache)
    comparison = compare(
        photos,
        score(package, photos, settings.inference),
        score(champion.package, photos, settings.inference) if champion else None,
        settings.release,
    )
    against = champion.version if champion else None
    _record(run.registry, candidate, comparison, against)
    run.publish(render_markdown(comparison, candidate=candidate.version, champion=against))
    decision = comparison.decision
    if decision.promote:
        return state.after(f"Promote. {decision.reason}", comparison=comparison)
    return state.end("rejected", decision.reason, comparison=comparison)


def _record(registry: Registry, candidate: ModelVersion, comparison: Comparison, against: str | None) -> None:
    decision = comparison.decision
    tags = {
        "dandelion.gate": "promote" if decision.promote else "reject",
        "dandelion.gate_reason": decision.reason,
        "dandelion.gate_against": against or "",
    }
    registry.tag_version(candidate.version, tags)
    if candidate.run_id is None:
        return
    report = render_report(comparison, candidate=candidate.version, champion=against)
    with registry.asking("write the gate's report"):
        registry.client.log_text(candidate.run_id, report, "gate/report.html")
        registry.client.log_text(candidate.run_id, json.dumps(asdict(decision), indent=2), "gate/decision.json")
