"""Whether photos still look like those of training, without labels.

Every feature has a two-sample test of live photos against training, and two bars that a difference must pass: it is
beyond chance (`SIGMAS`), and it is large enough to matter. Chance is judged far more strictly than for one experiment:
a test is repeated at every window, on every feature and by every process, and real traffic comes in bursts of photos
that resemble each other, so that five hundred are worth fewer.
"""

from __future__ import annotations

import math

import numpy as np

from dandelion.domain import DriftTest, FeatureDrift
from dandelion.monitoring.sketch import CLASSES, Sketch, Spread

EMBEDDING = "embedding"
CONFIDENCE = "confidence"
# Standard deviations of a normal distribution: 7e-6 of windows of independent photos are beyond by chance.
SIGMAS = 4.5
# Smaller differences than these do not matter, however many photos prove them: largest gap between two distributions,
# Cohen's w (0.1 small, 0.3 medium; Cohen 1988), standard deviations an axis.
MIN_GAP = 0.1
MIN_W = 0.2
MIN_SHIFT = 0.1


def compare(sketch: Sketch) -> list[FeatureDrift]:
    """Every feature's figure, the farthest first; none for a sketch of no photo."""
    if not sketch.photos:
        return []
    features = [_embedding(sketch)]
    for name, spread in sketch.expected.spreads.items():
        features.append((_classes if name == CLASSES else _spread)(name, sketch, spread))
    return sorted(features, key=lambda figure: -figure.score)


def _spread(name: str, sketch: Sketch, spread: Spread) -> FeatureDrift:
    """Kolmogorov and Smirnov's test on bins, which can only make the gap smaller."""
    gaps = np.cumsum(sketch.counts[name]) / sketch.photos - np.cumsum(spread.shares)
    if name == CONFIDENCE:
        # Surer than on photos that it had not seen is how a model is on those that it has: only less sure is news.
        gaps = np.maximum(gaps, 0)
    # Both tails of their distribution: P(gap > c * sqrt(1/n + 1/m)) = 2 exp(-2 c^2).
    reach = math.sqrt(math.log(2 / _tail(SIGMAS)) / 2)
    threshold = max(MIN_GAP, reach * math.sqrt(1 / sketch.photos + 1 / spread.photos))
    return _figure(name, "kolmogorov-smirnov", float(np.abs(gaps).max()), threshold, sketch)


def _classes(name: str, sketch: Sketch, spread: Spread) -> FeatureDrift:
    live, trained = np.array(sketch.counts[name]) / sketch.photos, np.array(spread.shares)
    both = (live * sketch.photos + trained * spread.photos) / (sketch.photos + spread.photos)
    seen = both > 0
    w = math.sqrt(float((np.square(live - trained)[seen] / both[seen]).sum()))
    chance = _chi_square(max(1, int(seen.sum()) - 1)) * (1 / sketch.photos + 1 / spread.photos)
    return _figure(name, "chi-square", w, max(MIN_W, math.sqrt(chance)), sketch)


def _embedding(sketch: Sketch) -> FeatureDrift:
    """Hotelling's T-square with the training photos' spread, which is known axis by axis."""
    axes = len(sketch.sums)
    distance = math.sqrt(float(np.square(np.array(sketch.sums) / sketch.photos).mean()))
    chance = _chi_square(axes) * (1 / sketch.photos + 1 / sketch.expected.directions_photos) / axes
    return _figure(EMBEDDING, "hotelling", distance, max(MIN_SHIFT, math.sqrt(chance)), sketch)


def _figure(name: str, test: DriftTest, distance: float, threshold: float, sketch: Sketch) -> FeatureDrift:
    return FeatureDrift(
        feature=name,
        test=test,
        distance=distance,
        threshold=threshold,
        score=distance / threshold,
        photos=sketch.photos,
    )


def _chi_square(freedom: int) -> float:
    """The value that a chi-square variable passes as rarely as a normal one passes `SIGMAS` (Wilson, Hilferty 1931)."""
    step = 2 / (9 * freedom)
    return float(freedom * (1 - step + SIGMAS * math.sqrt(step)) ** 3)


def _tail(sigmas: float) -> float:
    return math.erfc(sigmas / math.sqrt(2))
