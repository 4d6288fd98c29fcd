"""Figures against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dandelion.training.scoring import (
    Neighbourhood,
    Scored,
    calibration_error,
    find_temperature,
    measure,
    outlier_threshold,
    softmax,
)


def test_calibration_error_is_the_weighted_gap_between_confidence_and_accuracy() -> None:
    # Two bins: four photos at 0.9 of which three are right, two at 0.6 of which one is.
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 2, dtype=np.float32)
    targets = np.array([0, 0, 0, 1, 0, 1])
    assert calibration_error(probabilities, targets, bins=10) == pytest.approx(4 / 6 * 0.15 + 2 / 6 * 0.1)


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


def test_outliers_lie_beyond_the_threshold_and_known_photos_mostly_do_not() -> None:
    rng = np.random.default_rng(1)
    targets = np.repeat([0, 1], 300)
    known = (rng.normal(0, 1, (600, 16)) + 6 * targets[:, np.newaxis]).astype(np.float32)
    around = Neighbourhood.around(known[::2], targets[::2], 2)
    threshold = outlier_threshold(around.scores(known[1::2]))
    assert (around.scores(known[1::2]) > threshold).mean() == pytest.approx(0.05, abs=0.01)
    strange = rng.normal(-20, 1, (50, 16)).astype(np.float32)
    assert (around.scores(strange) > threshold).all()


def test_an_embedding_that_never_varies_does_not_break_the_reference() -> None:
    rng = np.random.default_rng(2)
    embeddings = rng.normal(size=(40, 8)).astype(np.float32)
    embeddings[:, 3] = 0
    scores = Neighbourhood.around(embeddings, np.repeat([0, 1], 20), 2).scores(embeddings)
    assert np.isfinite(scores).all()
