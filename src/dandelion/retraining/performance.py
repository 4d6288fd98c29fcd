"""The champion's performance, as Prometheus or else the database has it; and whether it calls for a retraining."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dandelion.concurrency.patience import COMMAND_PATIENCE_SECONDS
from dandelion.db import feedback, predictions, transact
from dandelion.errors import MonitoringError
from dandelion.monitoring import seconds_of
from dandelion.orchestration.retrainings import RetrainingRequest
from dandelion.settings import RetrainingSettings

TIMEOUT_SECONDS = 10.0
_FAILURES = "internal|overloaded|not_ready|journal_full"


@dataclass(frozen=True, slots=True)
class LiveMetrics:
    """Metrics of the service; None means unknown.

    Attributes:
        source: Where they come from.
        accuracy: Live accuracy of the champion, from labels given within the window.
        labels: Number of these labels.
        tested: The champion's accuracy on test photos.
        outliers: Share of photos that are out of distribution.
        drift: The largest drift score, and its feature.
        error_ratio: Share of photos that the service failed to classify.
        p95_seconds: 95th percentile of the response time, seconds.
    """

    source: str
    accuracy: float | None = None
    labels: int = 0
    tested: float | None = None
    outliers: float | None = None
    drift: tuple[float, str] | None = None
    error_ratio: float | None = None
    p95_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """Whether to retrain, and why or why not."""

    retrain: bool
    message: str


def judge_need(metrics: LiveMetrics, request: RetrainingRequest, limits: RetrainingSettings) -> Need:
    """Retrain when the run is forced, an alert triggered it, or a metric fell while the service itself is healthy."""
    falls, faults = list(_falls(metrics, limits)), list(_faults(metrics, limits))
    reasons = " ".join([*falls, *faults]) or f"{_summary(metrics)}: no metric fell."
    if request.force:
        return Need(True, f"Forced. {reasons}")
    if request.alert:
        return Need(True, f"Alert {request.alert}. {reasons}")
    if falls and faults:
        return Need(False, f"{reasons} Fix the service first, or use --force to retrain anyway.")
    return Need(bool(falls), reasons)


def query_prometheus(limits: RetrainingSettings, version: str, *, tested: float | None) -> LiveMetrics:
    """Query Prometheus for the champion's metrics in the last window, over all pods.

    Raises:
        MonitoringError: Prometheus did not respond, or has no metrics of this installation.
    """
    window = limits.window

    def select(metric: str, *matchers: str) -> str:
        labels = [f"{name}={json.dumps(value)}" for name, value in limits.prometheus_labels.items()]
        return f"{metric}{{{', '.join([*labels, *matchers])}}}"

    of_version = f"version={json.dumps(version)}"
    of_window = f"window={json.dumps(window)}"
    errors = select("prediction_errors_total", f'reason=~"{_FAILURES}"')
    failed = f"sum(increase({errors}[{window}]))"
    predicted = f"sum(increase({select('predictions_total')}[{window}]))"
    buckets = f"sum by (le) (rate({select('prediction_duration_seconds_bucket')}[{window}]))"
    unfamiliar = f"sum(increase({select('predictions_out_of_distribution_total', of_version)}[{window}]))"
    own = f"sum(increase({select('predictions_total', of_version)}[{window}]))"
    # Only pods that serve the champion: a canary's pods report another version.
    serving = f"and on (job, instance) {select('model_info', of_version)}"
    with httpx.Client(base_url=str(limits.prometheus_url), timeout=TIMEOUT_SECONDS) as http:

        def query(expression: str) -> float | None:
            found = _query(http, expression)
            return found[0] if found else None

        if query(f"count(last_over_time({select('model_info')}[{window}]))") is None:
            # Each metric would be unknown, which reads as if none fell.
            named = f" with the labels {json.dumps(limits.prometheus_labels)}" if limits.prometheus_labels else ""
            raise MonitoringError(
                f"Prometheus at {limits.prometheus_url} has no series model_info{named} of the last {window}.",
                "Let it scrape the API, and check DANDELION_RETRAINING__PROMETHEUS_LABELS.",
            )
        drift = _query(http, f"topk(1, max by (feature) ({select('drift_merged_score', of_version)}))")
        return LiveMetrics(
            source="Prometheus",
            accuracy=query(f"max({select('model_accuracy', of_window)} {serving})"),
            labels=int(query(f"max({select('model_accuracy_samples', of_window)} {serving})") or 0),
            tested=tested,
            outliers=query(f"{unfamiliar} / ({own} > 0)"),
            drift=(drift[0], drift[1].get("feature", "")) if drift else None,
            # Without any failure there is no such series, which means a ratio of 0.
            error_ratio=query(f"({failed} or vector(0)) / (({predicted} + ({failed} or vector(0))) > 0)"),
            p95_seconds=query(f"histogram_quantile(0.95, {buckets})"),
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
        labelled, right = await feedback.tally(on, since, version)
        traffic = await predictions.traffic(on, since, version)
        return LiveMetrics(
            source="Database",
            accuracy=right / labelled if labelled else None,
            labels=labelled,
            tested=tested,
            outliers=traffic.outliers / traffic.photos if traffic.photos else None,
            p95_seconds=traffic.p95_ms / 1000 if traffic.p95_ms is not None else None,
        )

    return await transact(engine, read, patience_seconds=COMMAND_PATIENCE_SECONDS)


def _falls(metrics: LiveMetrics, limits: RetrainingSettings) -> Iterator[str]:
    """Problems that a better model can solve."""
    accuracy = metrics.accuracy
    if accuracy is not None and metrics.labels >= limits.min_labels:
        live = f"Live accuracy {accuracy:.1%} ({metrics.labels} labels in {limits.window})"
        if accuracy < limits.min_accuracy:
            yield f"{live} lies below {limits.min_accuracy:.0%}."
        elif metrics.tested is not None and metrics.tested - accuracy > limits.max_accuracy_drop:
            drop = 100 * (metrics.tested - accuracy)
            yield f"{live} lies {drop:.1f} points below {metrics.tested:.1%} on test photos."
    if metrics.outliers is not None and metrics.outliers > limits.max_outliers:
        yield f"{metrics.outliers:.1%} of photos are out of distribution; the limit is {limits.max_outliers:.0%}."
    if metrics.drift is not None and metrics.drift[0] >= limits.max_drift:
        score, feature = metrics.drift
        yield f"Photos have drifted: {feature} scores {score:.2f}; the limit is {limits.max_drift:g}."


def _faults(metrics: LiveMetrics, limits: RetrainingSettings) -> Iterator[str]:
    """Problems that no model can solve."""
    if metrics.error_ratio is not None and metrics.error_ratio > limits.max_error_ratio:
        yield f"{metrics.error_ratio:.1%} of photos fail; the limit is {limits.max_error_ratio:.0%}."
    if metrics.p95_seconds is not None and metrics.p95_seconds > limits.max_p95_seconds:
        yield f"95 % of responses take up to {metrics.p95_seconds:.2f} s; the limit is {limits.max_p95_seconds:g} s."


def _summary(metrics: LiveMetrics) -> str:
    accuracy = (
        "no labels" if metrics.accuracy is None else f"accuracy {metrics.accuracy:.1%} of {metrics.labels} labels"
    )
    rest = [
        f"{metrics.outliers:.1%} outliers" if metrics.outliers is not None else "",
        f"drift {metrics.drift[0]:.2f}" if metrics.drift is not None else "",
        f"{metrics.error_ratio:.2%} errors" if metrics.error_ratio is not None else "",
        f"p95 {metrics.p95_seconds:.2f} s" if metrics.p95_seconds is not None else "",
    ]
    return f"{metrics.source}: " + ", ".join([accuracy, *(each for each in rest if each)])


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
