"""Step 1: decide whether the serving model needs a successor."""

from __future__ import annotations

from dandelion.errors import MonitoringError
from dandelion.retraining.guard import why_not_now, with_database
from dandelion.retraining.lake import list_labelled, list_uploads, list_withdrawn, news, surviving
from dandelion.retraining.performance import LiveMetrics, judge_need, query_database, query_prometheus
from dandelion.retraining.run import Run
from dandelion.retraining.state import State
from dandelion.training.versions import last_version


def check_performance(run: Run, state: State) -> State:
    """Decide whether to retrain; if so, list the new photos."""
    if reason := why_not_now(run.settings, run.request, resumes=run.dataset_digest is not None):
        return state.end("skipped", reason)
    if run.dataset_digest is not None:
        of = f" of run {run.earlier.id}" if run.earlier is not None else ""
        return state.after(f"Resumes with the photos{of} that were frozen as {run.dataset_digest[:12]}.")
    need = judge_need(_metrics(run), run.request, run.settings.retraining)
    if not need.retrain:
        return state.end("skipped", need.message)
    sources = (*with_database(run.settings, list_labelled), *list_uploads(run.store))
    last = last_version(run.store)
    withdrawn = with_database(run.settings, lambda engine: list_withdrawn(engine, last, sources))
    parent = surviving(last, sources, run.store, withdrawn)
    new = tuple(news(sources, parent))
    return state.after(f"{need.message} {len(new)} labelled photos are new.", sources=sources, parent=parent, news=new)


def _metrics(run: Run) -> LiveMetrics:
    limits, champion = run.settings.retraining, run.champion
    version = champion.version if champion else ""
    tested = champion.package.metrics().get("accuracy") if champion else None
    if limits.prometheus_url is not None:
        try:
            return query_prometheus(limits, version, tested=tested)
        except MonitoringError as error:
            run.say(f"{error} Metrics from the database decide.")
    return with_database(run.settings, lambda engine: query_database(engine, limits, version, tested=tested))
