"""The gate's decision as a page for people: metrics, classes side by side, and the photos whose answer changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dandelion.retraining.compare import Comparison
from dandelion.training.report import thumbnail

MOST_PHOTOS = 60


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class under both models.

    Attributes:
        label: Which.
        photos: How many.
        champion: Share that the champion gets right; None without one.
        candidate: Share that the candidate gets right.
    """

    label: str
    photos: int
    champion: float | None
    candidate: float

    @property
    def difference(self) -> float | None:
        """Candidate minus champion."""
        return None if self.champion is None else self.candidate - self.champion


def class_rows(comparison: Comparison) -> Iterator[ClassRow]:
    """Every class by name, with how many of its photos each model gets right."""
    true_labels = [photo.label for photo in comparison.photos]
    for label in sorted(set(true_labels)):
        of_class = [index for index, true_label in enumerate(true_labels) if true_label == label]

        def share(labels: tuple[str, ...], label: str = label, of_class: list[int] = of_class) -> float:
            return sum(labels[index] == label for index in of_class) / len(of_class)

        champion = comparison.champion
        before = share(champion.labels) if champion else None
        yield ClassRow(label, len(of_class), before, share(comparison.candidate.labels))


def render_report(comparison: Comparison, *, candidate: str, champion: str | None) -> str:
    """The page as HTML that needs nothing beside it; what comes from labels is escaped.

    It stays in MLflow, where no erasure comes: photos that may be erased are named rather than shown.

    Args:
        comparison: What was compared.
        candidate: Its version.
        champion: The version before it, if any.
    """
    from dandelion.files.templates import create_environment

    template = create_environment("dandelion.retraining").get_template("report.html.jinja")
    changed = comparison.changed
    before = comparison.champion
    return template.render(
        decision=comparison.decision,
        candidate=candidate,
        champion=champion,
        photos=len(comparison.photos),
        rows=list(class_rows(comparison)),
        changed=[
            {
                "prediction": photo.prediction_id,
                "thumbnail": None if photo.prediction_id else thumbnail(photo.data),
                "true-label": photo.label,
                "before": before.labels[index] if before else "",
                "after": comparison.candidate.labels[index],
            }
            for index, photo in ((index, comparison.photos[index]) for index in changed[:MOST_PHOTOS])
        ],
        left_out=max(0, len(changed) - MOST_PHOTOS),
        now=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def render_markdown(comparison: Comparison, *, candidate: str, champion: str | None) -> str:
    """The same in short, for the page of the flow run."""
    decision = comparison.decision
    rows = [
        f"| {row.label} | {row.photos} | {_percent(row.champion)} | {_percent(row.candidate)} "
        f"| {'' if row.difference is None else f'{100 * row.difference:+.1f}'} |"
        for row in class_rows(comparison)
    ]
    checks = [
        f"| {'yes' if check.passed else '**no**'} | {check.name} | {check.message} |" for check in decision.checks
    ]
    return "\n".join(
        [
            f"# {'Promote' if decision.promote else 'Reject'} version {candidate}"
            + (f" in place of version {champion}" if champion else ""),
            "",
            decision.reason,
            "",
            "| class | photos | champion | candidate | points |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "| holds | check | figures |",
            "|---|---|---|",
            *checks,
            "",
            f"{len(comparison.changed)} of {len(comparison.photos)} answers changed; `gate/report.html` of the MLflow "
            "run shows the photos.",
        ]
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
