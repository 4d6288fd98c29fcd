"""Label noise: labels that contradict the most similar photos, flipped by mistake or on purpose.

The label of each photo is compared with the labels of its five nearest neighbours by the champion's embedding. A label
is suspect when no more than one neighbour shares it. Every set of photos has some suspect labels. So what counts is how
much larger their share is among new photos than among old ones, and whether chance explains the difference (test of two
shares, one-sided, 1 %).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dandelion.domain.arrays import Floats

NEIGHBOURS = 5
AGREEING = 1
# Larger sets are sampled; the shares are then accurate to about two percentage points.
MAX_OLD, MAX_NEW = 2000, 1000
_SURE = 2.326  # 99 % of a normal distribution, one-sided


@dataclass(frozen=True, slots=True)
class LabelNoise:
    """How many labels contradict their neighbours.

    Attributes:
        new: Indices of the new photos with suspect labels.
        new_share: Their share among new photos.
        old_share: The share among old photos.
        is_more: Whether the share among new photos is larger than chance explains.
    """

    new: tuple[int, ...]
    new_share: float
    old_share: float
    is_more: bool


def measure_label_noise(old: Floats, old_labels: Sequence[str], new: Floats, new_labels: Sequence[str]) -> LabelNoise:
    """Find suspect labels among photos with embeddings `old`, float32 [N, D], and `new`, float32 [M, D]."""
    embeddings = np.concatenate([old, new])
    labels = np.asarray([*old_labels, *new_labels])
    suspect = _agreeing_neighbours(embeddings, labels) <= AGREEING
    of_old, of_new = suspect[: len(old)], suspect[len(old) :]
    old_share, new_share = float(of_old.mean()), float(of_new.mean())
    pooled = float(suspect.mean())
    error = math.sqrt(pooled * (1 - pooled) * (1 / len(old) + 1 / len(new)))
    is_more = error > 0 and (new_share - old_share) / error > _SURE
    return LabelNoise(tuple(np.flatnonzero(of_new).tolist()), new_share, old_share, is_more)


def _agreeing_neighbours(embeddings: Floats, labels: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    """How many of each photo's nearest neighbours share its label, int64 [N]."""
    directions = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    likeness = directions @ directions.T
    np.fill_diagonal(likeness, -np.inf)
    nearest = np.argpartition(-likeness, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    agreeing: npt.NDArray[np.int64] = (labels[nearest] == labels[:, None]).sum(axis=1)
    return agreeing
