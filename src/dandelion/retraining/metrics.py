"""Where the figures come from that ask for a retraining: Prometheus, or the database where there is none."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dandelion.db import feedback, predictions, transact
from dandelion.errors import MonitoringError
from dandelion.monitoring import seconds_of
from dandelion.retraining.performance import LiveMetrics
from dandelion.settings import RetrainingSettings

PATIENCE_SECONDS = 10.0
TIMEOUT_SECONDS = 10.0
_FAILURES = "internal|overloaded|not_ready|journal_full"


def ask_prometheus(limits: RetrainingSettings, version: str, *, tested: float | None) -> LiveMetrics:
    """Metrics of the last window over all pods.

    Args:
        limits: Where Prometheus is, and how far back to look.
        version: The champion.
        tested: Its accuracy on test photos.

    Raises:
        MonitoringError: Prometheus did not answer.
    """
    window = limits.window
    failed = f'sum(increase(prediction_errors_total{{reason=~"{_FAILURES}"}}[{window}]))'
    answered = f"sum(increase(predictions_total[{window}]))"
    buckets = f"sum by (le) (rate(prediction_duration_seconds_bucket[{window}]))"
    strange = f'sum(increase(predictions_out_of_distribution_total{{version="{version}"}}[{window}]))'
    own = f'sum(increase(predictions_total{{version="{version}"}}[{window}]))'
    with httpx.Client(base_url=str(limits.prometheus_url), timeout=TIMEOUT_SECONDS) as http:

        def ask(query: str) -> tuple[float, dict[str, str]] | None:
            return _ask(http, query)

        # The champion's alone: a canary's pods tell of another version.
        serving = f'and on (job, instance) model_info{{version="{version}"}}'
        accuracy = ask(f'max(model_accuracy{{window="{window}"}} {serving})')
        true_labels = ask(f'max(model_accuracy_samples{{window="{window}"}} {serving})')
        outliers = ask(f"{strange} / ({own} > 0)")
        drift = ask(f'topk(1, max by (feature) (drift_merged_score{{version="{version}"}}))')
        # Without any failure there is no such series, which is a ratio of 0.
        errors = ask(f"({failed} or vector(0)) / (({answered} + ({failed} or vector(0))) > 0)")
        slowest = ask(f"histogram_quantile(0.95, {buckets})")
    return LiveMetrics(
        source="Prometheus",
        accuracy=accuracy[0] if accuracy else None,
        labels=int(true_labels[0]) if true_labels else 0,
        tested=tested,
        outliers=outliers[0] if outliers else None,
        drift=(drift[0], drift[1].get("feature", "")) if drift else None,
        error_ratio=errors[0] if errors else None,
        p95_seconds=slowest[0] if slowest else None,
    )


async def ask_database(
    engine: AsyncEngine, limits: RetrainingSettings, version: str, *, tested: float | None
) -> LiveMetrics:
    """The same from what is stored; failed photos are not, so the error ratio stays unknown.

    Raises:
        DatabaseError: The database did not answer.
    """
    since = datetime.now(UTC) - timedelta(seconds=seconds_of(limits.window))

    async def look(on: AsyncConnection) -> LiveMetrics:
        labelled = {each.version: each for each in await feedback.tally(on, since)}.get(version)
        traffic = await predictions.traffic(on, since, version)
        return LiveMetrics(
            source="Database",
            accuracy=labelled.right / labelled.labelled if labelled else None,
            labels=labelled.labelled if labelled else 0,
            tested=tested,
            outliers=traffic.outliers / traffic.photos if traffic.photos else None,
            p95_seconds=traffic.p95_ms / 1000 if traffic.p95_ms is not None else None,
        )

    return await transact(engine, look, patience_seconds=PATIENCE_SECONDS)


def _ask(http: httpx.Client, query: str) -> tuple[float, dict[str, str]] | None:
    """The first sample of an instant query with its labels; None without any, or without a number."""
    try:
        answer = http.get("/api/v1/query", params={"query": query}).raise_for_status().json()
        results = answer["data"]["result"]
        if not results:
            return None
        value = float(results[0]["value"][1])
        return (value, dict(results[0]["metric"])) if math.isfinite(value) else None
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise MonitoringError(
            f"Prometheus at {http.base_url} did not answer ({type(error).__name__}: {error}).",
            "Check DANDELION_RETRAINING__PROMETHEUS_URL; without it the database's figures decide.",
        ) from error
