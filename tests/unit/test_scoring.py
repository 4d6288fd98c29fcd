"""Figures against values worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from dandelion.package import Reference, softmax
from dandelion.training.scoring import (
    Scored,
    calibration_error,
    find_reference,
    find_temperature,
    measure,
    outlier_threshold,
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
    around = find_reference(known[::2], targets[::2], 2)
    threshold = outlier_threshold(around.scores(known[1::2]))
    assert (around.scores(known[1::2]) > threshold).mean() == pytest.approx(0.05, abs=0.01)
    strange = rng.normal(-20, 1, (50, 16)).astype(np.float32)
    assert (around.scores(strange) > threshold).all()


def test_an_embedding_that_never_varies_does_not_break_the_reference() -> None:
    rng = np.random.default_rng(2)
    embeddings = rng.normal(size=(40, 8)).astype(np.float32)
    embeddings[:, 3] = 0
    scores = find_reference(embeddings, np.repeat([0, 1], 20), 2).scores(embeddings)
    assert np.isfinite(scores).all()


def test_distances_are_those_of_the_whole_covariance() -> None:
    rng = np.random.default_rng(4)
    targets = np.repeat([0, 1], 100)
    embeddings = (rng.normal(size=(200, 12)) @ rng.normal(size=(12, 12)) + 5 * targets[:, np.newaxis]).astype(
        np.float32
    )
    found = find_reference(embeddings, targets, 2)
    covariance, _ = ledoit_wolf(embeddings - found.means[targets], assume_centered=True)
    offsets = embeddings[:, np.newaxis] - found.means
    expected = np.einsum("nkd,de,nke->nk", offsets, np.linalg.inv(covariance), offsets).min(axis=1)
    assert found.scores(embeddings) == pytest.approx(expected, rel=0.01)


def test_a_wide_embedding_is_told_by_its_strongest_directions(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    embeddings = rng.normal(size=(100, 300)).astype(np.float32)
    found = find_reference(embeddings, np.repeat([0, 1], 50), 2)
    assert found.factor.shape == (300, 128)
    found.save(tmp_path / "reference.npz")
    assert np.array_equal(Reference.load(tmp_path / "reference.npz").scores(embeddings), found.scores(embeddings))
    assert (found.scores(embeddings) > 0).all()
