"""The champion's performance in service, and whether it calls for a retraining."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dandelion.retraining.request import RetrainingRequest
from dandelion.settings import RetrainingSettings


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
    """Whether to retrain.

    Attributes:
        retrain: The decision.
        message: Why, or why not.
    """

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
