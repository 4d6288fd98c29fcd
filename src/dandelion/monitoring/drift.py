"""Drift detection: whether live photos still resemble the training photos. It needs no labels.

Each feature has a two-sample test of live photos against training photos. A difference counts as drift if it is both
significant (`SIGMAS`) and large enough to matter. The significance level is far stricter than for a single experiment,
because each test is repeated for every window, feature and process. Besides, real traffic comes in bursts of similar
photos, so that five hundred photos carry less information than five hundred independent ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dandelion.domain import DriftTest, FeatureDrift
from dandelion.monitoring.sketch import CLASSES, Sketch, Spread

EMBEDDING = "embedding"
CONFIDENCE = "confidence"
# Standard deviations of a normal distribution: by chance, 7e-6 of windows of independent photos exceed it.
SIGMAS = 4.5
# Minimum differences that matter, however many photos prove them: largest gap between two distributions, Cohen's w (0.1
# small, 0.3 medium; Cohen 1988), standard deviations in each axis.
MIN_GAP = 0.1
MIN_W = 0.2
MIN_SHIFT = 0.1


def compare(sketch: Sketch) -> list[FeatureDrift]:
    """The drift of every feature, largest score first; empty for a sketch without photos."""
    if not sketch.photos:
        return []
    features = [_embedding(sketch)]
    for name, spread in sketch.expected.spreads.items():
        features.append((_classes if name == CLASSES else _spread)(name, sketch, spread))
    return sorted(features, key=lambda each: -each.score)


def names_of_drifted(features: Sequence[FeatureDrift]) -> list[str]:
    """Names of the features that have drifted, in the same order."""
    return [each.feature for each in features if each.score >= 1]


def _spread(name: str, sketch: Sketch, spread: Spread) -> FeatureDrift:
    """Kolmogorov-Smirnov test on bins; bins can only make the gap smaller."""
    gaps = np.cumsum(sketch.counts[name]) / sketch.photos - np.cumsum(spread.shares)
    if name == CONFIDENCE:
        # Higher confidence is no drift: a model is more confident on photos that resemble its training photos.
        gaps = np.maximum(gaps, 0)
    # Both tails of their distribution: P(gap > c * sqrt(1/n + 1/m)) = 2 exp(-2 c^2).
    reach = math.sqrt(math.log(2 / math.erfc(SIGMAS / math.sqrt(2))) / 2)
    threshold = max(MIN_GAP, reach * math.sqrt(1 / sketch.photos + 1 / spread.photos))
    return _drift(name, "kolmogorov-smirnov", float(np.abs(gaps).max()), threshold, sketch)


def _classes(name: str, sketch: Sketch, spread: Spread) -> FeatureDrift:
    live, trained = np.array(sketch.counts[name]) / sketch.photos, np.array(spread.shares)
    both = (live * sketch.photos + trained * spread.photos) / (sketch.photos + spread.photos)
    seen = both > 0
    w = math.sqrt(float((np.square(live - trained)[seen] / both[seen]).sum()))
    chance = _chi_square(max(1, int(seen.sum()) - 1)) * (1 / sketch.photos + 1 / spread.photos)
    return _drift(name, "chi-square", w, max(MIN_W, math.sqrt(chance)), sketch)


def _embedding(sketch: Sketch) -> FeatureDrift:
    """Hotelling's T-squared test with the training photos' standard deviation of each axis."""
    axes = len(sketch.sums)
    distance = math.sqrt(float(np.square(np.array(sketch.sums) / sketch.photos).mean()))
    chance = _chi_square(axes) * (1 / sketch.photos + 1 / sketch.expected.directions_photos) / axes
    return _drift(EMBEDDING, "hotelling", distance, max(MIN_SHIFT, math.sqrt(chance)), sketch)


def _drift(name: str, test: DriftTest, distance: float, threshold: float, sketch: Sketch) -> FeatureDrift:
    return FeatureDrift(
        feature=name,
        test=test,
        distance=distance,
        threshold=threshold,
        score=distance / threshold,
        photos=sketch.photos,
    )


def _chi_square(freedom: int) -> float:
    """The chi-square quantile that corresponds to `SIGMAS` of a normal distribution (Wilson, Hilferty 1931)."""
    step = 2 / (9 * freedom)
    return float(freedom * (1 - step + SIGMAS * math.sqrt(step)) ** 3)
