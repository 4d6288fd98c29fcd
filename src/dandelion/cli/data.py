"""`dandelion data`: check, fetch, generate and upload photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import DownloadColumn, MofNCompleteColumn
from rich.table import Table

from dandelion.cli.options import Json
from dandelion.cli.output import console, print_json, progress_bar
from dandelion.settings import load_settings

if TYPE_CHECKING:
    from dandelion.training.checks import CheckReport

app = typer.Typer(no_args_is_help=True)

_COLOURS = {"ERROR": "red", "WARNING": "yellow", "INFO": "blue"}
_SHOWN_PATHS = 4


@app.command(epilog="Example: dandelion data check photos/ --html report.html")
def check(
    folder: Annotated[Path, typer.Argument(help="Folder with one subfolder of photos per class.")],
    html: Annotated[Path | None, typer.Option(help="Write an HTML report with thumbnails to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Check photos for problems. Exit status: 0 nothing or notes, 1 warnings, 2 errors."""
    from dandelion.training.checks import check_photos

    with progress_bar("Checking photos", MofNCompleteColumn()) as show:
        report = check_photos(folder, progress=show)
    if html is not None:
        from dandelion.training.report import write_report

        write_report(report, html)
    if as_json:
        print_json(_as_dict(report))
    else:
        _print(report, html)
    raise typer.Exit(report.exit_status)


@app.command(epilog="Example: dandelion data fetch https://example.org/photos.zip photos/")
def fetch(
    url: Annotated[str, typer.Argument(help="Address of a zip or tar archive.")],
    folder: Annotated[Path, typer.Argument(help="Folder to unpack into; it must be empty or not exist.")],
    sha256: Annotated[str | None, typer.Option(help="Expected SHA-256 of the archive.")] = None,
) -> None:
    """Download and unpack an archive of photos. Rerun the command to resume an interrupted download."""
    from dandelion.training.fetch import fetch_archive

    with progress_bar("Downloading", DownloadColumn()) as show:
        fetch_archive(url, folder, sha256=sha256, progress=show)
    typer.echo(f"Unpacked to {folder}. Check the photos: dandelion data check {folder}")


@app.command(epilog="Example: dandelion data sample photos/ --per-class 60")
def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write to, one subfolder per class.")],
    per_class: Annotated[int, typer.Option(help="Number of photos per class.")] = 40,
    size: Annotated[int, typer.Option(help="Mean side length, pixels.")] = 192,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same photos.")] = 0,
) -> None:
    """Generate photos of lawns with and without dandelions, to try Dandelion without a network."""
    from dandelion.training.sample import create_sample

    with progress_bar("Generating", MofNCompleteColumn()) as show:
        paths = create_sample(folder, per_class=per_class, size=size, seed=seed, progress=show)
    typer.echo(f"Generated {len(paths)} photos. Train on them: dandelion train --data {folder}")


@app.command(epilog="Example: dandelion data upload photos/")
def upload(
    folder: Annotated[Path, typer.Argument(help="Folder with one subfolder of photos per class.")],
) -> None:
    """Upload photos to the data lake, for retraining; photos that are already there are skipped."""
    from dandelion.objects import create_store
    from dandelion.retraining.lake import upload as send

    with progress_bar("Uploading", MofNCompleteColumn()) as show:
        sent, there = send(create_store(load_settings()), folder, progress=show)
    typer.echo(f"Uploaded {sent} photos; {there} were already there. Train on them: dandelion retrain --force")


def _print(report: CheckReport, html: Path | None) -> None:
    out = console()
    table = Table("Severity", "Kind", "What", "What to do", "Files", title=f"Findings in {escape(str(report.folder))}")
    for finding in report.findings:
        name = finding.severity.name
        files = [path.relative_to(report.folder).as_posix() for path in finding.paths[:_SHOWN_PATHS]]
        if len(finding.paths) > _SHOWN_PATHS:
            files.append(f"and {len(finding.paths) - _SHOWN_PATHS} more")
        severity = f"[{_COLOURS[name]}]{name.lower()}[/]"
        words = (finding.kind, finding.message, finding.remedy, "\n".join(files))
        table.add_row(severity, *(escape(text) for text in words))
    if report.findings:
        out.print(table)
    classes = ", ".join(f"{count} {label}" for label, count in report.classes.items())
    out.print(f"{len(report.photos)} photos: {classes}; {len(report.findings)} findings.", markup=False)
    if html is not None:
        out.print(f"Report with thumbnails: {html}", markup=False)


def _as_dict(report: CheckReport) -> dict[str, Any]:
    findings = [
        {
            "severity": finding.severity.name.lower(),
            "kind": finding.kind,
            "message": finding.message,
            "remedy": finding.remedy,
            "files": [str(path) for path in finding.paths],
        }
        for finding in report.findings
    ]
    return {"photos": len(report.photos), "classes": report.classes, "findings": findings}
