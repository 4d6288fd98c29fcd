"""`dandelion monitoring`: measure drift over all processes, and write a report."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from dandelion.cli.options import Json, age
from dandelion.cli.output import console, print_json
from dandelion.settings import load_settings

app = typer.Typer(no_args_is_help=True)


@app.command(epilog="Example: dandelion monitoring run --json")
def run(as_json: Json = False) -> None:
    """Compare the photos of all processes with training, as the hourly flow does; exit status 1 if they drifted."""
    from dandelion.monitoring import run_monitoring

    found = asyncio.run(run_monitoring(load_settings()))
    if as_json:
        print_json(found)
    else:
        out = console()
        for drift in found.drift:
            table = Table(title=f"Version {drift.version}, {drift.photos} photos", title_justify="left")
            for name in ("feature", "test", "distance", "threshold", "score"):
                table.add_column(name)
            for each in drift.features:
                score = f"{each.score:.2f}" + (" drifted" if each.score >= 1 else "")
                table.add_row(each.feature, each.test, f"{each.distance:.3f}", f"{each.threshold:.3f}", score)
            out.print(table)
        if not found.drift:
            out.print(
                "No model has seen enough photos yet; DANDELION_MONITORING__DRIFT_WINDOW_PHOTOS sets how many it needs."
            )
    if found.drifted:
        raise typer.Exit(1)


@app.command(epilog="Example: dandelion monitoring report --output report.html --since 30d")
def report(
    output: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("monitoring.html"),
    since: Annotated[timedelta | None, age("How far back the report goes: 12h, 30d or 8w; by default 7d.")] = None,
) -> None:
    """Write an HTML report: accuracy by day, drift by feature, and the photos most worth labelling."""
    from dandelion.monitoring.report import create_report, write_report

    with console(error=True).status("Measuring ..."):
        found = asyncio.run(create_report(load_settings(), since or timedelta(days=7)))
    write_report(found, output)
    size = output.stat().st_size
    console().print(f"Wrote {output}, {size:,} bytes. Drifted: {', '.join(found.drifted) or 'nothing'}.")
