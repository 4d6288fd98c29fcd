"""Whether a candidate may replace the champion: a pure function of what both answered on the same photos.

Both models are asked about the same photos, so only those count on which one is right and the other wrong. The
difference of their accuracies gets a score interval for paired shares (Tango 1998), which holds for few photos and for
no differences at all. A candidate passes when the interval's lower end lies above minus `margin`: not worse by more,
with `confidence`. So a model that is worse by the margin is promoted with a chance of 1 - confidence, however few
photos there are; with few photos an equal one is turned down, because nobody can tell.

A class, or the photos of late, may not fall: a slice fails when its accuracy fell by more than `class_margin` and
chance alone would explain such a fall in less than 10 % of cases (one-sided exact test of McNemar 1947). Of two or
three photos chance explains any fall, so a slice of which nothing is right any more fails whatever chance says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from dandelion.settings import ReleaseSettings

Bools = npt.NDArray[np.bool_]

CHANCE = 0.10
_STEPS = 60  # of bisection: the interval's ends are exact to 2**-60


@dataclass(frozen=True, slots=True)
class ModelMetrics:
    """One model's figures beside its answers.

    Attributes:
        ece: Expected calibration error.
        latency_ms: Milliseconds for one photo alone, decoded and classified, median.
        size_bytes: Size of its package.
        agreement: Share of photos on which the graph that serves gives the label of the float32 graph.
    """

    ece: float
    latency_ms: float
    size_bytes: int
    agreement: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gate judges by; the sequences have one entry a photo, in one order.

    Attributes:
        labels: True classes.
        candidate: What the candidate answered.
        champion: What the champion answered; None while there is none.
        recent: Whether the photo came from traffic of late.
        metrics: The candidate's other figures.
        champion_metrics: The champion's.
    """

    true_labels: Sequence[str]
    candidate: Sequence[str]
    champion: Sequence[str] | None
    recent: Sequence[bool]
    metrics: ModelMetrics
    champion_metrics: ModelMetrics | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was judged.

    Attributes:
        name: What: `accuracy`, `class dandelion`, `recent`, `calibration`, `latency`, `size`, `parity`.
        passed: Whether it holds.
        message: The figures, in words.
    """

    name: str
    passed: bool
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate says.

    Attributes:
        promote: Whether the candidate may serve.
        reason: Why, in a sentence.
        checks: Everything that was judged.
        difference: Candidate's accuracy minus champion's, with the ends of its interval; None without a champion.
    """

    promote: bool
    reason: str
    checks: tuple[Check, ...]
    difference: tuple[float, float, float] | None = None


def judge(evidence: Evidence, limits: ReleaseSettings) -> Decision:
    """Promote or reject; every check is made, so that a rejection names all that is wrong."""
    true_labels = np.asarray(evidence.true_labels)
    right = np.asarray(evidence.candidate) == true_labels
    difference = None
    if len(true_labels) < limits.min_photos:
        message = f"{len(true_labels)} labelled photos to compare on; {limits.min_photos} are needed."
        return Decision(False, message, (Check("photos", False, message),))
    if evidence.champion is None:
        checks = [_alone(true_labels, right), *_bounds(evidence, limits)]
    else:
        before = np.asarray(evidence.champion) == true_labels
        accuracy, difference = _accuracy(before, right, limits)
        slices = [(f"class {name}", true_labels == name) for name in sorted(set(evidence.true_labels))]
        recent = np.asarray(evidence.recent, dtype=bool)
        if recent.any():
            slices.append(("recent", recent))
        checks = [
            accuracy,
            *(_slice(name, before[members], right[members], limits) for name, members in slices),
            *_bounds(evidence, limits),
        ]
    failed = [check for check in checks if not check.passed]
    reason = " ".join(check.message for check in failed) if failed else checks[0].message
    return Decision(not failed, reason, tuple(checks), difference)


def paired_interval(gained: int, lost: int, photos: int, confidence: float) -> tuple[float, float]:
    """Ends of the difference of two paired shares, each held with `confidence` (Tango 1998).

    Args:
        gained: Photos that only the second model answers rightly.
        lost: Photos that only the first does.
        photos: All photos.
        confidence: One-sided, of each end.
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
    """How often chance alone loses `lost` or more of the photos on which two equal models differ."""
    differing = gained + lost
    return sum(math.comb(differing, k) for k in range(lost, differing + 1)) / (1 << differing)


def _score(gained: int, lost: int, photos: int, difference: float) -> float:
    """Standard errors between what was observed and a true `difference`, whose other parameter is fitted to it."""
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
    """Without a champion: better than always naming the most frequent class."""
    frequent = max(np.unique(true_labels, return_counts=True)[1]) / len(true_labels)
    message = (
        f"Right on {right.mean():.1%} of {len(right)} photos, with no champion to compare with; "
        f"always naming the most frequent class is right on {frequent:.1%}."
    )
    return Check("accuracy", bool(right.mean() > frequent), message)


def _bounds(evidence: Evidence, limits: ReleaseSettings) -> Iterator[Check]:
    ours, theirs = evidence.metrics, evidence.champion_metrics
    # Few photos measure a calibration error that is too high, the champion's as well.
    most = limits.max_ece if theirs is None else max(limits.max_ece, theirs.ece)
    yield Check("calibration", ours.ece <= most, f"Calibration error {ours.ece:.3f}, at most {most:.3f}.")
    yield Check(
        "latency",
        ours.latency_ms <= limits.max_latency_ms,
        f"{ours.latency_ms:.1f} ms a photo, at most {limits.max_latency_ms:g}.",
    )
    size, bound = ours.size_bytes / 2**20, limits.max_size_bytes / 2**20
    yield Check("size", ours.size_bytes <= limits.max_size_bytes, f"Package of {size:.1f} MiB, at most {bound:.0f}.")
    yield Check(
        "parity",
        ours.agreement >= limits.min_agreement,
        f"The graph that serves agrees with float32 on {ours.agreement:.1%}, at least {limits.min_agreement:.0%}.",
    )


def _counts(before: Bools, after: Bools) -> tuple[int, int, int]:
    return int((~before & after).sum()), int((before & ~after).sum()), len(before)
