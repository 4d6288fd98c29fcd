"""The promotion gate: decides whether a candidate may replace the champion, from both models' predictions alone.

Both models classify the same photos, so only the photos count on which one is right and the other wrong. The
difference of the two accuracies gets a score interval for paired shares (Tango 1998), which is valid for few photos and
for no differences at all. A candidate passes when the lower end of the interval lies above minus `margin`: with
`confidence`, it is not worse by more than that. A model that is worse by the margin is therefore promoted with a
probability of 1 - confidence, however few photos there are. With few photos the gate rejects an equal model too,
because the photos cannot prove that it is equal.

The gate also checks slices: each class, and the recent photos. A slice fails when its accuracy fell by more than
`class_margin` and chance alone would explain such a fall in less than 10 % of cases (one-sided exact test, McNemar
1947). With two or three photos chance explains any fall, so a slice also fails when the candidate gets none of its
photos right and the champion got some right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from dandelion.settings import ReleaseSettings

Bools = npt.NDArray[np.bool_]

CHANCE = 0.10
_STEPS = 60  # of bisection: the interval's ends are exact to 2**-60


@dataclass(frozen=True, slots=True)
class Scores:
    """One model's predictions for labelled photos, and its other metrics.

    Attributes:
        labels: The predicted label of each photo.
        confidences: The confidence of each prediction.
        ece: Expected calibration error.
        latency_ms: Median time to decode and classify a single photo, milliseconds.
        size_bytes: Size of its package.
        agreement: Share of photos for which the graph in service predicts the same label as the float32 graph.
    """

    labels: Sequence[str]
    confidences: Sequence[float]
    ece: float
    latency_ms: float
    size_bytes: int
    agreement: float


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the gate.

    Attributes:
        name: `accuracy`, `class dandelion`, `recent`, `calibration`, `latency`, `size` or `parity`.
        message: The metrics that decided it, as a sentence.
    """

    name: str
    passed: bool
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's decision.

    Attributes:
        difference: The candidate's accuracy minus the champion's, with the ends of its interval; None without a
            champion.
    """

    promote: bool
    reason: str
    checks: tuple[Check, ...]
    difference: tuple[float, float, float] | None = None


def judge(
    true_labels: Sequence[str],
    recent: Sequence[bool],
    candidate: Scores,
    champion: Scores | None,
    limits: ReleaseSettings,
) -> Decision:
    """Promote or reject; every check runs, so that a rejection names everything that failed.

    Labels, `recent` (whether a photo came from recent traffic) and both models' scores have the same order of photos.
    """
    if len(true_labels) < limits.min_photos:
        message = f"There are {len(true_labels)} labelled photos to compare on; the gate needs {limits.min_photos}."
        return Decision(False, message, (Check("photos", False, message),))
    labels = np.asarray(true_labels)
    difference = None
    right = np.asarray(candidate.labels) == labels
    if champion is None:
        checks = [_alone(labels, right)]
    else:
        before = np.asarray(champion.labels) == labels
        accuracy, difference = _accuracy(before, right, limits)
        slices = {f"class {name}": labels == name for name in sorted(set(true_labels))}
        if any(recent):
            slices["recent"] = np.asarray(recent, dtype=bool)
        checks = [accuracy, *(_slice(name, before[each], right[each], limits) for name, each in slices.items())]
    checks += _check_limits(candidate, champion, limits)
    failed = [check for check in checks if not check.passed]
    reason = " ".join(check.message for check in failed) if failed else checks[0].message
    return Decision(not failed, reason, tuple(checks), difference)


def paired_interval(gained: int, lost: int, photos: int, confidence: float) -> tuple[float, float]:
    """Ends of the score interval for the difference of two paired shares (Tango 1998).

    Args:
        gained: Number of photos that only the second model gets right.
        lost: Number of photos that only the first model gets right.
        photos: Number of all photos.
        confidence: One-sided confidence of each end.
    """
    z = NormalDist().inv_cdf(confidence)
    observed = (gained - lost) / photos

    def end(far: float, sign: int) -> float:
        near = observed
        for _ in range(_STEPS):
            middle = (far + near) / 2
            if sign * _score(gained, lost, photos, middle) > z:
                far = middle
            else:
                near = middle
        return (far + near) / 2

    return end(-1.0, 1), end(1.0, -1)


def chance_of_fall(gained: int, lost: int) -> float:
    """The probability that two equal models differ by chance so that the second loses `lost` photos or more."""
    differing = gained + lost
    return sum(math.comb(differing, k) for k in range(lost, differing + 1)) / (1 << differing)


def _score(gained: int, lost: int, photos: int, difference: float) -> float:
    """Distance of the observation from a true `difference`, in standard errors; the other parameter is fitted to it."""
    a = 2 * photos
    b = -gained - lost + (2 * photos - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    share = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = photos * (2 * share + difference * (1 - difference))
    distance = gained - lost - photos * difference
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def _accuracy(before: Bools, after: Bools, limits: ReleaseSettings) -> tuple[Check, tuple[float, float, float]]:
    gained, lost, photos = _counts(before, after)
    observed = (gained - lost) / photos
    low, high = paired_interval(gained, lost, photos, limits.confidence)
    passed = low > -limits.margin
    if passed:
        verdict = "Better" if low > 0 else "Not worse"
    elif high < 0:
        verdict = "Worse"
    else:
        verdict = "Too few photos to rule out that it is worse"
    message = (
        f"{verdict}: right on {after.mean():.1%} of {photos} photos against {before.mean():.1%} "
        f"({100 * observed:+.1f} points, between {100 * low:+.1f} and {100 * high:+.1f} "
        f"with {limits.confidence:.0%} confidence each; {-100 * limits.margin:+.1f} is allowed)."
    )
    return Check("accuracy", passed, message), (observed, low, high)


def _slice(name: str, before: Bools, after: Bools, limits: ReleaseSettings) -> Check:
    gained, lost, photos = _counts(before, after)
    fall, chance = (lost - gained) / photos, chance_of_fall(gained, lost)
    is_forgotten = photos > 1 and bool(before.any()) and not after.any()
    passed = fall <= limits.class_margin or (chance > CHANCE and not is_forgotten)
    message = f"{name.capitalize()}: {after.mean():.1%} of {photos} photos against {before.mean():.1%}" + (
        "." if fall <= 0 else f"; chance explains such a fall in {chance:.0%} of cases."
    )
    return Check(name, passed, message)


def _alone(true_labels: npt.NDArray[np.str_], right: Bools) -> Check:
    """Without a champion, the candidate must beat a model that always predicts the most frequent class."""
    frequent = max(np.unique(true_labels, return_counts=True)[1]) / len(true_labels)
    message = (
        f"Right on {right.mean():.1%} of {len(right)} photos, with no champion to compare with; "
        f"always predicting the most frequent class is right on {frequent:.1%}."
    )
    return Check("accuracy", bool(right.mean() > frequent), message)


def _check_limits(candidate: Scores, champion: Scores | None, limits: ReleaseSettings) -> list[Check]:
    # With few photos the measured calibration error is too high, for the champion as well.
    max_ece = limits.max_ece if champion is None else max(limits.max_ece, champion.ece)
    size, max_size = candidate.size_bytes / 2**20, limits.max_size_bytes / 2**20
    return [
        Check(
            "calibration",
            candidate.ece <= max_ece,
            f"Calibration error {candidate.ece:.3f}; the limit is {max_ece:.3f}.",
        ),
        Check(
            "latency",
            candidate.latency_ms <= limits.max_latency_ms,
            f"Latency {candidate.latency_ms:.1f} ms a photo; the limit is {limits.max_latency_ms:g} ms.",
        ),
        Check("size", size <= max_size, f"Package size {size:.1f} MiB; the limit is {max_size:.0f} MiB."),
        Check(
            "parity",
            candidate.agreement >= limits.min_agreement,
            f"The graph in service agrees with float32 on {candidate.agreement:.1%} of photos; "
            f"the minimum is {limits.min_agreement:.0%}.",
        ),
    ]


def _counts(before: Bools, after: Bools) -> tuple[int, int, int]:
    return int((~before & after).sum()), int((before & ~after).sum()), len(before)
