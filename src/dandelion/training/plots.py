"""The plots of a training run: learning curves, confusion matrix, ROC, calibration and the worst mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay

from dandelion.training.scoring import Scored, reliability

if TYPE_CHECKING:
    from dandelion.domain.arrays import Pixels
    from dandelion.training.checkpoint import Epoch

WORST = 12


def plot_all(
    history: Sequence[Epoch],
    scored: Scored,
    temperature: float,
    classes: tuple[str, ...],
    photos: Pixels,
    paths: Sequence[Path],
    sent: Sequence[str | None],
) -> Iterator[tuple[str, Figure]]:
    """Every plot of a run with its file name; `scored`, `photos`, `paths` and `sent` belong to the test split."""
    yield "learning_curves.png", plot_learning_curves(history)
    yield "confusion_matrix.png", plot_confusion(scored, temperature, classes)
    yield "roc.png", plot_roc(scored, temperature, classes)
    yield "reliability.png", plot_reliability(scored, temperature)
    yield "worst_mistakes.png", plot_worst(scored, temperature, classes, photos, paths, sent)


def plot_learning_curves(history: Sequence[Epoch]) -> Figure:
    """Plot loss and accuracy by epoch."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [epoch.number for epoch in history]
    left.plot(epochs, [epoch.loss for epoch in history], label="training (augmented photos)")
    left.plot(epochs, [epoch.validation_loss for epoch in history], label="validation")
    left.set(title="Loss", xlabel="epoch", ylabel="cross-entropy")
    left.legend()
    right.plot(epochs, [epoch.validation_accuracy for epoch in history], color="C1")
    right.set(title="Validation accuracy", xlabel="epoch", ylim=(0, 1.02))
    return figure


def plot_confusion(scored: Scored, temperature: float, classes: tuple[str, ...]) -> Figure:
    """Plot true labels against predicted labels."""
    figure = Figure(figsize=(3 + len(classes), 3 + len(classes)), layout="constrained")
    axes = figure.subplots()
    ConfusionMatrixDisplay.from_predictions(
        scored.targets,
        scored.probabilities(temperature).argmax(axis=1),
        labels=range(len(classes)),
        display_labels=classes,
        ax=axes,
        colorbar=False,
        cmap="Greens",
    )
    axes.set_title(f"{len(scored.targets)} test photos")
    return figure


def plot_roc(scored: Scored, temperature: float, classes: tuple[str, ...]) -> Figure:
    """Plot one ROC curve for each class against the others."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    probabilities = scored.probabilities(temperature)
    for index, name in enumerate(classes):
        true_label = scored.targets == index
        if true_label.any() and not true_label.all():
            RocCurveDisplay.from_predictions(true_label, probabilities[:, index], name=name, ax=axes)
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.set_title("ROC, one class against the others")
    return figure


def plot_reliability(scored: Scored, temperature: float) -> Figure:
    """Plot how often the model is right at each confidence, before and after calibration."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey", label="perfect")
    for name, divisor in (("as trained", 1.0), ("calibrated", temperature)):
        confidence, accuracy, _ = zip(*reliability(scored.probabilities(divisor), scored.targets), strict=True)
        axes.plot(confidence, accuracy, marker="o", label=name)
    axes.set(title="Reliability", xlabel="confidence", ylabel="share right", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.legend()
    return figure


def plot_worst(
    scored: Scored,
    temperature: float,
    classes: tuple[str, ...],
    photos: Pixels,
    paths: Sequence[Path],
    sent: Sequence[str | None],
) -> Figure:
    """Plot the wrong predictions of highest confidence; a photo in `sent` appears as the id of its prediction."""
    probabilities = scored.probabilities(temperature)
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != scored.targets)
    worst = sorted(wrong, key=lambda index: -float(probabilities[index].max()))[:WORST]
    rows = max(1, -(-len(worst) // 4))
    figure = Figure(figsize=(12, 3.4 * rows), layout="constrained")
    figure.suptitle(f"{len(wrong)} of {len(scored.targets)} test photos wrong" if len(wrong) else "No mistake")
    for axes, place in zip(figure.subplots(rows, 4, squeeze=False).flat, range(rows * 4), strict=True):
        axes.axis("off")
        if place < len(worst):
            index = int(worst[place])
            if (prediction := sent[index]) is None:
                axes.imshow(photos[index])
            else:
                axes.text(0.5, 0.5, f"prediction\n{prediction}", ha="center", va="center", fontsize=8)
            sure = probabilities[index].max()
            true_label, label = classes[scored.targets[index]], classes[predicted[index]]
            axes.set_title(f"{true_label}, predicted as\n{label} ({sure:.0%}); {paths[index].name}", fontsize=9)
    return figure
