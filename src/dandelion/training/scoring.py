"""Metrics of a model: accuracy and calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.metrics import f1_score, log_loss, precision_recall_fscore_support, roc_auc_score

from dandelion.domain import CALIBRATION_BINS
from dandelion.domain.arrays import Floats, Ints
from dandelion.package import softmax


@dataclass(frozen=True, slots=True)
class Scored:
    """A model's outputs for photos that it was not fitted to.

    Attributes:
        targets: True classes, int64 [N].
        logits: Logits, float32 [N, K].
        outlier_scores: Distances from the training photos, float32 [N].
    """

    targets: Ints
    logits: Floats
    outlier_scores: Floats

    def probabilities(self, temperature: float) -> Floats:
        """Calibrated probabilities, float32 [N, K]."""
        return softmax(self.logits / temperature)


def find_temperature(logits: Floats, targets: Ints) -> float:
    """The temperature in [0.05, 10] with the lowest cross-entropy (Guo et al. 2017)."""
    labels = np.arange(logits.shape[1])

    def loss(log_temperature: float) -> float:
        return float(log_loss(targets, softmax(logits / np.exp(log_temperature)), labels=labels))

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(10.0)), method="bounded")
    return float(np.exp(found.x))


def calibration_error(probabilities: Floats, targets: Ints) -> float:
    """Expected calibration error: mean distance of confidence from accuracy over equal bins of confidence."""
    found = reliability(probabilities, targets)
    return float(sum(abs(accuracy - confidence) * share for confidence, accuracy, share in found))


def reliability(probabilities: Floats, targets: Ints) -> list[tuple[float, float, float]]:
    """Mean confidence, accuracy and share of the photos of each bin of confidence that holds any, lowest first."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    index = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    members = [index == b for b in np.unique(index)]
    return [(float(confidence[own].mean()), float(right[own].mean()), float(own.mean())) for own in members]


def measure(scored: Scored, temperature: float, classes: tuple[str, ...]) -> dict[str, float]:
    """Every metric by name: accuracy, F1, ROC AUC, ECE, log loss, and precision and recall of each class."""
    probabilities, targets = scored.probabilities(temperature), scored.targets
    predicted = probabilities.argmax(axis=1)
    labels = list(range(len(classes)))
    precision, recall, _, _ = precision_recall_fscore_support(targets, predicted, labels=labels, zero_division=0)
    metrics = {
        "photos": float(len(targets)),
        "accuracy": float((predicted == targets).mean()),
        "f1": float(f1_score(targets, predicted, labels=labels, average="macro", zero_division=0)),
        "ece": calibration_error(probabilities, targets),
        "log_loss": float(log_loss(targets, probabilities, labels=labels)),
    }
    if len(np.unique(targets)) == len(classes):  # a class without photos has no ROC curve
        scores = probabilities[:, 1] if len(classes) == 2 else probabilities
        metrics["roc_auc"] = float(roc_auc_score(targets, scores, multi_class="ovr"))
    for index, name in enumerate(classes):
        metrics[f"precision_{name}"] = float(precision[index])
        metrics[f"recall_{name}"] = float(recall[index])
    return metrics
