"""The report of a data check: one HTML file with the findings and their photos."""

from __future__ import annotations

import base64
from collections import Counter
from pathlib import Path
from typing import Any

from dandelion.errors import DandelionError, DataError
from dandelion.imaging import shrink
from dandelion.training.checks import CheckReport, Finding, Severity
from dandelion.training.splits import assign_splits

# Limits for a report that stays readable; at about 4 kB each, these thumbnails take less than two megabytes.
MAX_THUMBNAILS_A_FINDING = 12
MAX_THUMBNAILS = 400
_SIDE = 128

_TITLES = {Severity.ERROR: "Errors", Severity.WARNING: "Warnings", Severity.INFO: "Notes"}


def write_report(report: CheckReport, file: Path) -> None:
    """Write the report to `file` as self-contained HTML.

    Raises:
        DataError: The file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(render_report(report), encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"The report cannot be written to {file} ({error.strerror}).", "Give a path that you can write to."
        ) from error


def render_report(report: CheckReport) -> str:
    """Render the report as HTML; file names are escaped."""
    from dandelion.files.templates import create_environment

    template = create_environment("dandelion.training").get_template("report.html.jinja")
    splits: dict[str, Counter[str]] = {label: Counter() for label in report.classes}
    for photo in assign_splits(report.photos):
        splits[photo.label][str(photo.split)] += 1
    budget = [MAX_THUMBNAILS]
    sections = [
        {
            "title": title,
            "name": severity.name.lower(),
            "findings": [
                _describe(report.folder, item, budget) for item in report.findings if item.severity is severity
            ],
        }
        for severity, title in _TITLES.items()
    ]
    return template.render(
        folder=str(report.folder),
        photos=len(report.photos),
        largest=max(report.classes.values(), default=0) or 1,
        classes=[{"label": label, "count": count, "splits": splits[label]} for label, count in report.classes.items()],
        sections=sections,
    )


def _describe(folder: Path, finding: Finding, budget: list[int]) -> dict[str, Any]:
    shown = finding.paths[: min(MAX_THUMBNAILS_A_FINDING, budget[0])]
    budget[0] -= len(shown)
    return {
        "kind": finding.kind,
        "message": finding.message,
        "remedy": finding.remedy,
        "photos": [{"name": _relative(path, folder), "thumbnail": _thumbnail(path)} for path in shown],
        "left_out": len(finding.paths) - len(shown),
    }


def _relative(path: Path, folder: Path) -> str:
    name = path.relative_to(folder) if path.is_relative_to(folder) else path
    return str(name).encode(errors="replace").decode()


def _thumbnail(path: Path) -> str | None:
    try:
        return None if path.is_dir() else thumbnail(path.read_bytes())
    except OSError:
        return None


def thumbnail(data: bytes) -> str | None:
    """A small JPEG of an encoded photo as a data: URI; None if the photo cannot be decoded."""
    try:
        return f"data:image/jpeg;base64,{base64.b64encode(shrink(data, _SIDE, quality=75)).decode()}"
    except DandelionError:
        return None
