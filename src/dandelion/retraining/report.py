"""The report on the gate's decision: metrics, classes side by side, and the photos whose prediction changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from dandelion.release.gate import Scores
from dandelion.retraining.compare import Comparison
from dandelion.training.report import thumbnail

MAX_PHOTOS = 60


class ClassRow(NamedTuple):
    """A class, its number of photos, and the shares that both models get right; without a champion, None."""

    label: str
    photos: int
    champion: float | None
    candidate: float
    difference: float | None


def class_rows(comparison: Comparison) -> Iterator[ClassRow]:
    """Every class, sorted by name."""
    for label in sorted({photo.label for photo in comparison.photos}):
        of_class = [index for index, photo in enumerate(comparison.photos) if photo.label == label]

        def share(scores: Scores, label: str = label, of_class: list[int] = of_class) -> float:
            return sum(scores.labels[index] == label for index in of_class) / len(of_class)

        before, after = share(comparison.champion) if comparison.champion else None, share(comparison.candidate)
        yield ClassRow(label, len(of_class), before, after, None if before is None else after - before)


def render_report(comparison: Comparison, *, candidate: str, champion: str | None) -> str:
    """Render the report on two versions as one self-contained HTML file; labels are escaped.

    The report is stored in MLflow, where erasures do not reach it. So it names photos that can be erased instead of
    showing them.
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
            for index in changed[:MAX_PHOTOS]
            for photo in [comparison.photos[index]]
        ],
        left_out=max(0, len(changed) - MAX_PHOTOS),
        now=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def render_markdown(comparison: Comparison, *, candidate: str, champion: str | None) -> str:
    """Render a short report as Markdown, for the artifact of the flow run."""
    decision, changed, photos = comparison.decision, len(comparison.changed), len(comparison.photos)
    verdict = f"{'Promote' if decision.promote else 'Reject'} version {candidate}"
    rows = "\n".join(
        f"| {row.label} | {row.photos} | {'' if row.champion is None else f'{row.champion:.1%}'} | {row.candidate:.1%} "
        f"| {'' if row.difference is None else f'{100 * row.difference:+.1f}'} |"
        for row in class_rows(comparison)
    )
    checks = "\n".join(
        f"| {'yes' if check.passed else '**no**'} | {check.name} | {check.message} |" for check in decision.checks
    )
    return f"""# {verdict}{f" in place of version {champion}" if champion else ""}

{decision.reason}

| class | photos | champion | candidate | points |
|---|---|---|---|---|
{rows}

| passed | check | result |
|---|---|---|
{checks}

{changed} of {photos} predictions changed. The artifact `gate/report.html` of the MLflow run shows the photos."""
