"""Logits to probabilities, with the same arithmetic in evaluation and in serving."""

from __future__ import annotations

import numpy as np

from dandelion.domain.arrays import Floats


def softmax(logits: Floats) -> Floats:
    """Probabilities along the last axis; they sum to 1."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Floats = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return result
