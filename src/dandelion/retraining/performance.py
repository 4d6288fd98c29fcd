"""How the champion does in service, and whether that asks for a retraining."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dandelion.retraining.request import RetrainingRequest
from dandelion.settings import RetrainingSettings


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of the service; None is unknown.

    Attributes:
        source: Who told.
        accuracy: Live accuracy of the champion, from truths told within the window.
        truths: How many truths it rests on.
        tested: The champion's accuracy on test photos.
        outliers: Share of photos that resemble nothing known.
        drift: The largest drift score of a feature, and which.
        error_ratio: Share of photos that the service failed to answer.
        p95_seconds: Time that 95 % of answers take at most.
    """

    source: str
    accuracy: float | None = None
    truths: int = 0
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


def judge_need(figures: Figures, asked: RetrainingRequest, limits: RetrainingSettings) -> Need:
    """Retrain when somebody insists, or when a figure falls while the service itself is well."""
    falls, faults = list(_falls(figures, limits)), list(_faults(figures, limits))
    told = " ".join([*falls, *faults]) or f"{_summary(figures)}: nothing fell."
    if asked.force:
        return Need(True, f"Forced. {told}")
    if asked.alert:
        return Need(True, f"Alert {asked.alert}. {told}")
    if falls and faults:
        return Need(False, f"{told} The service is mended first; --force retrains all the same.")
    return Need(bool(falls), told)


def _falls(figures: Figures, limits: RetrainingSettings) -> Iterator[str]:
    """What a better model would mend."""
    accuracy = figures.accuracy
    if accuracy is not None and figures.truths >= limits.min_truths:
        told = f"Live accuracy {accuracy:.1%} ({figures.truths} truths in {limits.window})"
        if accuracy < limits.min_accuracy:
            yield f"{told} lies below {limits.min_accuracy:.0%}."
        elif figures.tested is not None and figures.tested - accuracy > limits.max_accuracy_drop:
            drop = 100 * (figures.tested - accuracy)
            yield f"{told} lies {drop:.1f} points below {figures.tested:.1%} on test photos."
    if figures.outliers is not None and figures.outliers > limits.max_outliers:
        yield f"{figures.outliers:.1%} of photos resemble nothing known; {limits.max_outliers:.0%} may."
    if figures.drift is not None and figures.drift[0] >= limits.max_drift:
        score, feature = figures.drift
        yield f"Photos have drifted: {feature} scores {score:.2f}, and {limits.max_drift:g} is the limit."


def _faults(figures: Figures, limits: RetrainingSettings) -> Iterator[str]:
    """What no model mends."""
    if figures.error_ratio is not None and figures.error_ratio > limits.max_error_ratio:
        yield f"{figures.error_ratio:.1%} of photos fail; {limits.max_error_ratio:.0%} may."
    if figures.p95_seconds is not None and figures.p95_seconds > limits.max_p95_seconds:
        yield f"95 % of answers take up to {figures.p95_seconds:.2f} s; {limits.max_p95_seconds:g} s may pass."


def _summary(figures: Figures) -> str:
    accuracy = (
        "no truths" if figures.accuracy is None else f"accuracy {figures.accuracy:.1%} of {figures.truths} truths"
    )
    rest = [
        f"{figures.outliers:.1%} outliers" if figures.outliers is not None else "",
        f"drift {figures.drift[0]:.2f}" if figures.drift is not None else "",
        f"{figures.error_ratio:.2%} errors" if figures.error_ratio is not None else "",
        f"p95 {figures.p95_seconds:.2f} s" if figures.p95_seconds is not None else "",
    ]
    return f"{figures.source}: " + ", ".join([accuracy, *(each for each in rest if each)])
