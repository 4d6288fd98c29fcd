"""Step 1: does the model that serves need another?"""

from __future__ import annotations

from dandelion.errors import MonitoringError
from dandelion.retraining.guard import why_not_now, with_database
from dandelion.retraining.lake import list_told, list_uploads, list_withdrawn, news, surviving
from dandelion.retraining.metrics import ask_database, ask_prometheus
from dandelion.retraining.performance import LiveMetrics, judge_need
from dandelion.retraining.run import Run, Step
from dandelion.training.versions import last_version


def check_performance(run: Run) -> Step:
    """Decide whether to retrain, and look for photos when so.

    Raises:
        DandelionError: The database, the object store or MLflow did not answer.
    """
    if told := why_not_now(run.settings, run.asked, goes_on=run.dataset_digest is not None):
        return run.end("skipped", told)
    if run.dataset_digest is not None:
        of = f" of run {run.earlier.id}" if run.earlier is not None else ""
        return Step(f"Goes on with the photos{of} that were frozen as {run.dataset_digest[:12]}.")
    need = judge_need(_metrics(run), run.asked, run.settings.retraining)
    if not need.retrain:
        return run.end("skipped", need.message)
    run.sources = [*with_database(run.settings, list_told), *list_uploads(run.store)]
    last = last_version(run.store)
    withdrawn = with_database(run.settings, lambda engine: list_withdrawn(engine, last, run.sources))
    run.parent = surviving(last, run.sources, run.store, withdrawn)
    run.news = news(run.sources, run.parent)
    return Step(f"{need.message} {len(run.news)} labelled photos are new.")


def _metrics(run: Run) -> LiveMetrics:
    limits, champion = run.settings.retraining, run.champion
    version = champion.version if champion else ""
    tested = champion.package.metrics().get("accuracy") if champion else None
    if limits.prometheus_url is not None:
        try:
            return ask_prometheus(limits, version, tested=tested)
        except MonitoringError as error:
            run.say(f"{error} The database's figures decide.")
    return with_database(run.settings, lambda engine: ask_database(engine, limits, version, tested=tested))
