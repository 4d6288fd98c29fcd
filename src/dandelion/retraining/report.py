"""The report on the gate's decision: metrics, classes side by side, and the photos whose prediction changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dandelion.retraining.compare import Comparison
from dandelion.training.report import thumbnail

MAX_PHOTOS = 60


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class under both models.

    Attributes:
        label: The class.
        photos: Number of its photos.
        champion: Share that the champion gets right; None without a champion.
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
    """Every class, sorted by name, with the share of its photos that each model gets right."""
    true_labels = [photo.label for photo in comparison.photos]
    for label in sorted(set(true_labels)):
        of_class = [index for index, true_label in enumerate(true_labels) if true_label == label]

        def share(labels: tuple[str, ...], label: str = label, of_class: list[int] = of_class) -> float:
            return sum(labels[index] == label for index in of_class) / len(of_class)

        champion = comparison.champion
        before = share(champion.labels) if champion else None
        yield ClassRow(label, len(of_class), before, share(comparison.candidate.labels))


def render_report(comparison: Comparison, *, candidate: str, champion: str | None) -> str:
    """Render the report as one self-contained HTML file; labels are escaped.

    The report is stored in MLflow, where erasures do not reach it. So it names photos that can be erased instead of
    showing them.

    Args:
        comparison: The comparison of both models.
        candidate: The candidate's version.
        champion: The champion's version, if there is one.
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
                "true_label": photo.label,
                "before": before.labels[index] if before else "",
                "after": comparison.candidate.labels[index],
            }
            for index, photo in ((index, comparison.photos[index]) for index in changed[:MAX_PHOTOS])
        ],
        left_out=max(0, len(changed) - MAX_PHOTOS),
        now=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def render_markdown(comparison: Comparison, *, candidate: str, champion: str | None) -> str:
    """Render a short report as Markdown, for the artifact of the flow run."""
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
            "| passed | check | result |",
            "|---|---|---|",
            *checks,
            "",
            f"{len(comparison.changed)} of {len(comparison.photos)} predictions changed. The artifact "
            "`gate/report.html` of the MLflow run shows the photos.",
        ]
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
