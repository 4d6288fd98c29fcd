"""How the champion does in service, and whether that asks for a retraining."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dandelion.retraining.request import RetrainingRequest
from dandelion.settings import RetrainingSettings


@dataclass(frozen=True, slots=True)
class LiveMetrics:
    """What is known of the service; None is unknown.

    Attributes:
        source: Who told.
        accuracy: Live accuracy of the champion, from labels given within the window.
        labels: How many labels it rests on.
        tested: The champion's accuracy on test photos.
        outliers: Share of photos that resemble nothing known.
        drift: The largest drift score of a feature, and which.
        error_ratio: Share of photos that the service failed to answer.
        p95_seconds: Time that 95 % of answers take at most.
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


def judge_need(metrics: LiveMetrics, asked: RetrainingRequest, limits: RetrainingSettings) -> Need:
    """Retrain when somebody insists, or when a figure falls while the service itself is well."""
    falls, faults = list(_falls(metrics, limits)), list(_faults(metrics, limits))
    told = " ".join([*falls, *faults]) or f"{_summary(metrics)}: nothing fell."
    if asked.force:
        return Need(True, f"Forced. {told}")
    if asked.alert:
        return Need(True, f"Alert {asked.alert}. {told}")
    if falls and faults:
        return Need(False, f"{told} The service is mended first; --force retrains all the same.")
    return Need(bool(falls), told)


def _falls(metrics: LiveMetrics, limits: RetrainingSettings) -> Iterator[str]:
    """What a better model would mend."""
    accuracy = metrics.accuracy
    if accuracy is not None and metrics.labels >= limits.min_labels:
        told = f"Live accuracy {accuracy:.1%} ({metrics.labels} labels in {limits.window})"
        if accuracy < limits.min_accuracy:
            yield f"{told} lies below {limits.min_accuracy:.0%}."
        elif metrics.tested is not None and metrics.tested - accuracy > limits.max_accuracy_drop:
            drop = 100 * (metrics.tested - accuracy)
            yield f"{told} lies {drop:.1f} points below {metrics.tested:.1%} on test photos."
    if metrics.outliers is not None and metrics.outliers > limits.max_outliers:
        yield f"{metrics.outliers:.1%} of photos resemble nothing known; {limits.max_outliers:.0%} may."
    if metrics.drift is not None and metrics.drift[0] >= limits.max_drift:
        score, feature = metrics.drift
        yield f"Photos have drifted: {feature} scores {score:.2f}, and {limits.max_drift:g} is the limit."


def _faults(metrics: LiveMetrics, limits: RetrainingSettings) -> Iterator[str]:
    """What no model mends."""
    if metrics.error_ratio is not None and metrics.error_ratio > limits.max_error_ratio:
        yield f"{metrics.error_ratio:.1%} of photos fail; {limits.max_error_ratio:.0%} may."
    if metrics.p95_seconds is not None and metrics.p95_seconds > limits.max_p95_seconds:
        yield f"95 % of answers take up to {metrics.p95_seconds:.2f} s; {limits.max_p95_seconds:g} s may pass."


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
