"""Figures against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dandelion.package import softmax
from dandelion.training.scoring import (
    Scored,
    calibration_error,
    find_temperature,
    measure,
)


def test_calibration_error_is_the_weighted_gap_between_confidence_and_accuracy() -> None:
    # Two bins: four photos at 0.9 of which three are right, two at 0.6 of which one is.
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 2, dtype=np.float32)
    targets = np.array([0, 0, 0, 1, 0, 1])
    assert calibration_error(probabilities, targets) == pytest.approx(4 / 6 * 0.15 + 2 / 6 * 0.1)


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 2, (4000, 2)).astype(np.float32)
    targets = (rng.random(4000) < softmax(honest)[:, 1]).astype(np.int64)
    assert find_temperature(3 * honest, targets) == pytest.approx(3, rel=0.1)


def test_figures_of_a_small_confusion() -> None:
    logits = np.array([[2, 0], [2, 0], [0, 2], [2, 0]], dtype=np.float32)
    scored = Scored(np.array([0, 0, 1, 1]), logits, np.zeros(4, np.float32))
    figures = measure(scored, 1.0, ("dandelion", "grass"))
    assert figures["accuracy"] == 0.75
    assert figures["recall_grass"] == 0.5
    assert figures["precision_dandelion"] == pytest.approx(2 / 3)
    assert figures["roc_auc"] == pytest.approx(0.75)
