"""The report of a data check: one HTML file with the findings and their photos."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from PIL import Image

from dandelion.errors import DandelionError, DataError
from dandelion.imaging import decode
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
    splits: dict[str, dict[str, int]] = {label: {} for label in report.classes}
    for photo in assign_splits(report.photos):
        name = str(photo.split)
        splits[photo.label][name] = splits[photo.label].get(name, 0) + 1
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
        image = Image.fromarray(decode(data, min_side=_SIDE))
    except DandelionError:
        return None
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
