"""The model card: what the model is for, what it was trained on, and how good it is."""

from __future__ import annotations

from dataclasses import dataclass

from dandelion import __version__
from dandelion.imaging.prepare import PANORAMA_RATIO
from dandelion.package import Manifest
from dandelion.training.config import TrainingConfig
from dandelion.training.graphs import Exported


@dataclass(frozen=True, slots=True)
class Facts:
    """The content of a card.

    Attributes:
        command: The command that trained the model.
        counts: Split to class to number of photos.
        metrics: Metrics on the test split, and of cross-validation if there was any.
        pretrained: Where the initial weights came from.
        epochs: Number of epochs done.
        minutes: Wall-clock time of the run.
    """

    manifest: Manifest
    config: TrainingConfig
    command: str
    counts: dict[str, dict[str, int]]
    metrics: dict[str, float]
    exported: Exported
    pretrained: str
    epochs: int
    minutes: float


def write_card(facts: Facts) -> str:
    """Write the card as Markdown."""
    manifest, metrics, exported = facts.manifest, facts.metrics, facts.exported
    spec, int8 = manifest.input, exported.int8_parity
    classes = ", ".join(manifest.classes)
    lines = [
        f"# {manifest.architecture}: {classes}",
        "",
        f"Classifies photos of {classes}. Created by Dandelion {__version__} with `{facts.command}`.",
        "",
        "## Metrics",
        "",
        "On test photos that took no part in training, in choosing the epoch, or in calibration:",
        "",
        "| metric | value |",
        "|---|---|",
        *(f"| {name.replace('_', ' ')} | {_format(name, value)} |" for name, value in metrics.items()),
        "",
        "## Data",
        "",
        f"Dataset `{manifest.dataset_digest[:16]}`. A photo's content decides its split; near duplicates share one.",
        "",
        "| split | " + " | ".join(manifest.classes) + " |",
        "|---|" + "---|" * len(manifest.classes),
        *(
            f"| {split} | " + " | ".join(str(counts.get(name, 0)) for name in manifest.classes) + " |"
            for split, counts in facts.counts.items()
        ),
        "",
        "## Training",
        "",
        f"- Start: {facts.pretrained}; {facts.epochs} epochs of a maximum of {facts.config.epochs}, "
        f"seed {facts.config.seed}, {facts.minutes:.1f} minutes.",
        f"- Input {spec.height} x {spec.width} pixels, the middle {spec.crop_fraction:.0%}, {spec.interpolation}.",
        f"- {describe_panoramas(manifest.background)}",
        f"- Temperature {manifest.temperature:.3f}; photos with an outlier score above "
        f"{manifest.outlier_threshold:.3f} count as out of distribution (5 % of photos of known kinds do, wrongly).",
        f"- The float32 graph matches torch: same label on {exported.parity.agreement:.1%}, probabilities within "
        f"{exported.parity.max_difference:.4f}.",
        f"- The int8 graph {'is in the package' if 'int8' in manifest.precisions else 'was left out'}: same label as "
        f"float32 on {int8.agreement:.1%} of the held-out photos, accuracy lower by {100 * int8.accuracy_loss:.1f} "
        "points.",
        "",
        "## Limits",
        "",
        f"- The model knows only {classes}: it gives every photo one of these labels. Only `in_distribution` shows "
        "that a photo may show something else.",
        f"- With {int(metrics.get('photos', 0))} test photos, the accuracy is uncertain by about "
        f"{100 * _margin(metrics):.1f} points (95 % interval).",
        "- The model is as biased as its photos. Its accuracy for places, seasons and cameras that they lack is "
        "unknown.",
        "",
    ]
    return "\n".join(lines)


def describe_panoramas(background: str | None) -> str:
    """Which part of a panorama the model predicts for."""
    rule = (
        f"the view that most probably shows something other than {background} stands for the photo"
        if background
        else "the middle stands for the photo or, if that is out of distribution, the view most similar to training "
        "photos. A motif at an edge may be missed, since no class is named as the background"
    )
    return (
        f"Photos beyond {PANORAMA_RATIO:g}:1 are seen as square views along their long side; {rule}. Training sees "
        "only their middle."
    )


def _format(name: str, value: float) -> str:
    return f"{value:.0f}" if name.endswith(("photos", "folds")) else f"{value:.4f}"


def _margin(metrics: dict[str, float]) -> float:
    """Half of the Wilson score interval at 95 %."""
    n, p, z = max(1.0, metrics.get("photos", 1.0)), metrics.get("accuracy", 0.0), 1.96
    return float(z * ((p * (1 - p) + z * z / (4 * n)) / n) ** 0.5 / (1 + z * z / n))
