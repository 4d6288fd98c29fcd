"""Derive the reference for drift and outlier detection from the training photos."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dandelion.domain.arrays import Floats, Ints
from dandelion.package.reference import Directions, Histogram, Neighbours, Reference, class_histogram, normalise

# A photo is an outlier if its score is higher than that of 95 % of photos of known kinds, so 5 % are false alarms.
KNOWN_SHARE = 0.95
# Larger training sets are sampled: a score costs N * D multiplications, as much as a layer of a small network.
MAX_NEIGHBOURS = 512
# Share of the smallest class. With fewer neighbours, one odd training photo makes similar photos look familiar; with
# more, rare kinds of photos look unfamiliar.
NEIGHBOUR_SHARE = 0.2
MAX_K = 30
MAX_DIRECTIONS = 16
MAX_BINS = 32


def find_neighbours(embeddings: Floats, targets: Ints) -> Neighbours:
    """The neighbours for outlier scores, from the training photos' embeddings float32 [N, D] and classes int64 [N]."""
    chosen = np.arange(len(embeddings))
    if len(chosen) > MAX_NEIGHBOURS:
        chosen = np.sort(np.random.default_rng(0).permutation(len(chosen))[:MAX_NEIGHBOURS])
    smallest = int(np.unique(targets[chosen], return_counts=True)[1].min())
    k = max(1, min(MAX_K, round(NEIGHBOUR_SHARE * smallest)))
    # Rounded as in a package, so that thresholds are measured on the same distances.
    return Neighbours(normalise(embeddings[chosen]).astype(np.float16).astype(np.float32), k)


def find_directions(embeddings: Floats) -> Directions:
    """The principal directions of the training photos' embeddings, float32 [N, D]."""
    places = normalise(embeddings)
    centre = places.mean(axis=0)
    _, lengths, axes = np.linalg.svd(places - centre, full_matrices=False)
    count = min(MAX_DIRECTIONS, int((lengths > lengths[0] * 1e-3).sum()))
    deviations = lengths[:count] / np.sqrt(len(places))
    return Directions(centre, axes[:count], deviations.astype(np.float32), len(places))


def find_histogram(values: Floats) -> Histogram:
    """The histogram of values float32 [N], in bins that hold about equally many of them."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, MAX_BINS + 1)[1:-1]).astype(np.float32))
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return Histogram(edges, (counts / len(values)).astype(np.float32), len(values))


def find_reference(embeddings: Floats, targets: Ints, looks: Mapping[str, Floats], unseen: Floats) -> Reference:
    """The whole reference that traffic is compared with.

    Args:
        embeddings: Embeddings of the training photos, float32 [N, D].
        targets: Their classes, int64 [N].
        looks: Statistic to its values, float32 [N].
        unseen: Calibrated probabilities, float32 [M, K], of photos outside the training set; on training photos the
            model is overconfident.
    """
    histograms = {name: find_histogram(values) for name, values in looks.items()}
    histograms["confidence"] = find_histogram(unseen.max(axis=1))
    predicted = np.bincount(unseen.argmax(axis=1), minlength=unseen.shape[1]) / len(unseen)
    return Reference(
        find_neighbours(embeddings, targets),
        find_directions(embeddings),
        histograms,
        class_histogram(predicted.astype(np.float32), len(unseen)),
    )


def outlier_threshold(scores: Floats) -> float:
    """The outlier score below which `KNOWN_SHARE` of photos of known kinds lie."""
    return float(np.quantile(scores, KNOWN_SHARE))
