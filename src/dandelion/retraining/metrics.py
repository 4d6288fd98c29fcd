"""Query the metrics that trigger a retraining: from Prometheus, or from the database if there is no Prometheus."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dandelion.concurrency.patience import COMMAND_PATIENCE_SECONDS
from dandelion.db import feedback, predictions, transact
from dandelion.errors import MonitoringError
from dandelion.monitoring import seconds_of
from dandelion.retraining.performance import LiveMetrics
from dandelion.settings import RetrainingSettings

TIMEOUT_SECONDS = 10.0
_FAILURES = "internal|overloaded|not_ready|journal_full"


def query_prometheus(limits: RetrainingSettings, version: str, *, tested: float | None) -> LiveMetrics:
    """Query Prometheus for the metrics of the last window, over all pods.

    Args:
        limits: Prometheus's address and the window.
        version: The champion.
        tested: The champion's accuracy on test photos.

    Raises:
        MonitoringError: Prometheus did not respond.
    """
    window = limits.window
    failed = f'sum(increase(prediction_errors_total{{reason=~"{_FAILURES}"}}[{window}]))'
    predicted = f"sum(increase(predictions_total[{window}]))"
    buckets = f"sum by (le) (rate(prediction_duration_seconds_bucket[{window}]))"
    unfamiliar = f'sum(increase(predictions_out_of_distribution_total{{version="{version}"}}[{window}]))'
    own = f'sum(increase(predictions_total{{version="{version}"}}[{window}]))'
    with httpx.Client(base_url=str(limits.prometheus_url), timeout=TIMEOUT_SECONDS) as http:

        def query(expression: str) -> tuple[float, dict[str, str]] | None:
            return _query(http, expression)

        # Only pods that serve the champion: a canary's pods report another version.
        serving = f'and on (job, instance) model_info{{version="{version}"}}'
        accuracy = query(f'max(model_accuracy{{window="{window}"}} {serving})')
        true_labels = query(f'max(model_accuracy_samples{{window="{window}"}} {serving})')
        outliers = query(f"{unfamiliar} / ({own} > 0)")
        drift = query(f'topk(1, max by (feature) (drift_merged_score{{version="{version}"}}))')
        # Without any failure there is no such series, which means a ratio of 0.
        errors = query(f"({failed} or vector(0)) / (({predicted} + ({failed} or vector(0))) > 0)")
        slowest = query(f"histogram_quantile(0.95, {buckets})")
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


async def query_database(
    engine: AsyncEngine, limits: RetrainingSettings, version: str, *, tested: float | None
) -> LiveMetrics:
    """Query the same metrics from the database; it stores no failed photos, so the error ratio stays unknown.

    Raises:
        DatabaseError: The database did not respond.
    """
    since = datetime.now(UTC) - timedelta(seconds=seconds_of(limits.window))

    async def read(on: AsyncConnection) -> LiveMetrics:
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

    return await transact(engine, read, patience_seconds=COMMAND_PATIENCE_SECONDS)


def _query(http: httpx.Client, expression: str) -> tuple[float, dict[str, str]] | None:
    """The first sample of an instant query with its labels; None if there is no sample, or its value is no number."""
    try:
        response = http.get("/api/v1/query", params={"query": expression}).raise_for_status().json()
        results = response["data"]["result"]
        if not results:
            return None
        value = float(results[0]["value"][1])
        return (value, dict(results[0]["metric"])) if math.isfinite(value) else None
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise MonitoringError(
            f"Prometheus at {http.base_url} did not respond ({type(error).__name__}: {error}).",
            "Check DANDELION_RETRAINING__PROMETHEUS_URL, or unset it to use metrics from the database.",
        ) from error
