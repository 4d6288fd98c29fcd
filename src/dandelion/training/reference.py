"""From training photos to what traffic is measured against."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dandelion.domain.arrays import Floats, Ints
from dandelion.package.reference import Directions, Histogram, Neighbours, Reference, class_histogram, normalise

# A photo is an outlier when it is farther than 95 % of known photos: 5 % false alarms.
KNOWN_SHARE = 0.95
# More training photos are thinned out: a score costs N * D multiplications, as much as a layer of a small network.
MAX_NEIGHBOURS = 512
# Of the smallest class: fewer, and one odd training photo vouches for others like it; more, and small kinds are lost.
NEIGHBOUR_SHARE = 0.2
MAX_K = 30
MAX_DIRECTIONS = 16
MAX_BINS = 32


def find_neighbours(embeddings: Floats, targets: Ints) -> Neighbours:
    """The training photos' places, from their embeddings float32 [N, D] and classes int64 [N]."""
    chosen = np.arange(len(embeddings))
    if len(chosen) > MAX_NEIGHBOURS:
        chosen = np.sort(np.random.default_rng(0).permutation(len(chosen))[:MAX_NEIGHBOURS])
    smallest = int(np.unique(targets[chosen], return_counts=True)[1].min())
    k = max(1, min(MAX_K, round(NEIGHBOUR_SHARE * smallest)))
    # As they are read back from a package, so that thresholds are of the same distances.
    return Neighbours(normalise(embeddings[chosen]).astype(np.float16).astype(np.float32), k)


def find_directions(embeddings: Floats) -> Directions:
    """The strongest directions of the training photos' embeddings, float32 [N, D]."""
    places = normalise(embeddings)
    centre = places.mean(axis=0)
    _, lengths, axes = np.linalg.svd(places - centre, full_matrices=False)
    kept = min(MAX_DIRECTIONS, int((lengths > lengths[0] * 1e-3).sum()))
    deviations = lengths[:kept] / np.sqrt(len(places))
    return Directions(centre, axes[:kept], deviations.astype(np.float32), len(places))


def find_histogram(values: Floats) -> Histogram:
    """How values float32 [N] are spread, in bins that hold about as many of them each."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, MAX_BINS + 1)[1:-1]).astype(np.float32))
    spread = Histogram(edges, np.zeros(0, np.float32), len(values))
    counts = np.bincount(spread.bins_of(values), minlength=len(edges) + 1)
    return Histogram(edges, (counts / len(values)).astype(np.float32), len(values))


def find_reference(embeddings: Floats, targets: Ints, looks: Mapping[str, Floats], unseen: Floats) -> Reference:
    """Everything that traffic is measured against.

    Args:
        embeddings: Of the training photos, float32 [N, D].
        targets: Their classes, int64 [N].
        looks: Statistic to its values, float32 [N].
        unseen: Calibrated probabilities, float32 [M, K], of photos that were not trained on: on those that were, the
            model is surer than it will ever be again.
    """
    histograms = {name: find_histogram(values) for name, values in looks.items()}
    histograms["confidence"] = find_histogram(unseen.max(axis=1))
    classes = unseen.shape[1]
    predicted = np.bincount(unseen.argmax(axis=1), minlength=classes) / len(unseen)
    return Reference(
        find_neighbours(embeddings, targets),
        find_directions(embeddings),
        histograms,
        class_histogram(predicted.astype(np.float32), classes, len(unseen)),
    )


def outlier_threshold(scores: Floats) -> float:
    """The score that `KNOWN_SHARE` of photos of known kinds stay below."""
    return float(np.quantile(scores, KNOWN_SHARE))
