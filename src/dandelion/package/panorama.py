"""Which view of a panorama stands for the photo."""

from __future__ import annotations

import math

from dandelion.domain.arrays import Floats
from dandelion.package.calibration import softmax
from dandelion.package.reference import Neighbours


def choose_view(
    logits: Floats,
    embeddings: Floats,
    neighbours: Neighbours,
    *,
    background: int | None,
    outlier_threshold: float = math.inf,
) -> int:
    """The view that the model predicts for, of calibrated logits float32 [V, K] and embeddings float32 [V, D].

    With a background class, that is the view that most probably shows another class. Without one, it is the middle, or,
    if that is out of distribution, the view most similar to the training photos. Combining the probabilities of all
    views is worse: most views show the background, and the model is as sure of it as of anything
    (`python -m benchmarks.panoramas`).
    """
    if background is None:
        scores, middle = neighbours.scores(embeddings), len(embeddings) // 2
        return middle if scores[middle] <= outlier_threshold else int(scores.argmin())
    probabilities = softmax(logits)
    probabilities[:, background] = 0
    return int(probabilities.max(axis=1).argmax())
