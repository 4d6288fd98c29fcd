"""The monitoring report: one self-contained HTML file for people."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import add
from pathlib import Path

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from dandelion import __version__
from dandelion.concurrency.patience import JOB_PATIENCE_SECONDS
from dandelion.db import drift, predictions, transact
from dandelion.db.predictions import Filter, Summary
from dandelion.db.session import open_database
from dandelion.domain import FeatureDrift, StoredPrediction
from dandelion.errors import DandelionError
from dandelion.imaging import shrink
from dandelion.monitoring.accuracy import WindowAccuracy, measure_accuracy
from dandelion.monitoring.drift import compare, names_of_drifted
from dandelion.monitoring.sketch import Sketch
from dandelion.objects import DATA_LAKE, PROCESSED, ObjectStore, create_store
from dandelion.privacy.erasures import MONITORING_REPORT, erase_page_of, erased_ids
from dandelion.settings import Settings

PERIODS = 14
EXAMPLES = 8
# Only some predictions have a stored photo, so the examples are chosen among this many predictions.
SEARCHED_PREDICTIONS = 400
SIDE = 160

_KINDS = {
    "Out of distribution": Filter(in_distribution=False),
    "Wrong": Filter(verdict="wrong"),
    "Unsure": Filter(max_confidence=0.7),
}


@dataclass(frozen=True, slots=True)
class Findings:
    """The content of a report; times are in UTC.

    Attributes:
        periods: Start of each period with a summary of its predictions.
        drifts: Model version, sketch of its photos, and their drift; the version with most photos comes first.
        examples: Kind to predictions with their thumbnails as data: URIs.
    """

    since: datetime
    until: datetime
    periods: list[tuple[datetime, Summary]]
    accuracy: list[WindowAccuracy]
    drifts: list[tuple[str, Sketch, list[FeatureDrift]]]
    examples: dict[str, list[tuple[StoredPrediction, str]]]


@dataclass(frozen=True, slots=True)
class Report:
    """A monitoring report as HTML, and the features that have drifted for the model with most photos."""

    html: str
    drifted: list[str]


async def create_report(settings: Settings, age: timedelta) -> Report:
    """Create the report for the last `age`.

    Raises:
        DatabaseError: The database does not respond.
        DandelionError: A library for the report is not installed.
    """
    async with open_database(settings) as engine:
        findings = await gather(engine, create_store(settings), settings, age)
    drifted = names_of_drifted(findings.drifts[0][2]) if findings.drifts else []
    return Report(await asyncio.to_thread(render, findings), drifted)


def write_report(report: Report, output: Path) -> None:
    """Write the report to a file.

    Raises:
        DandelionError: The file cannot be written.
    """
    try:
        output.write_text(report.html, encoding="utf-8")
    except OSError as error:
        raise DandelionError(
            f"{output} cannot be written ({error.strerror}).", "Give a path that you can write to."
        ) from error


def publish_report(report: Report, store: ObjectStore) -> str | None:
    """Store the report as the newest one; return its place, or None if a photo in it was erased meanwhile.

    Raises:
        ObjectStoreError: The report cannot be stored.
    """
    try:
        store.put(PROCESSED, MONITORING_REPORT, report.html.encode(), content_type="text/html; charset=utf-8")
    finally:
        # An erasure is recorded before it deletes the report. One that is not on the list by now will delete this one.
        is_erased = erase_page_of(store, erased_ids(store))
    return None if is_erased else f"{PROCESSED}/{MONITORING_REPORT}"


async def gather(engine: AsyncEngine, store: ObjectStore, settings: Settings, age: timedelta) -> Findings:
    """Gather the content of the report for the last `age`."""
    until = datetime.now(UTC)
    since, step = until - age, age / PERIODS
    periods = []
    for number in range(PERIODS):
        start, end = since + number * step, since + (number + 1) * step
        found = await transact(
            engine,
            lambda on: predictions.summarise(on, start, end),  # noqa: B023 -- runs here
            patience_seconds=JOB_PATIENCE_SECONDS,
        )
        periods.append((start, found))
    saved = await transact(engine, lambda on: drift.sketches_since(on, since), patience_seconds=JOB_PATIENCE_SECONDS)
    parts: dict[tuple[str, str], list[Sketch]] = {}
    for each in saved:
        parts.setdefault((each.model_version, each.digest), []).append(msgspec.convert(each.sketch, Sketch))
    sketches = [(version, reduce(add, found)) for (version, _), found in parts.items()]
    drifts = [(version, sketch, compare(sketch)) for version, sketch in sketches]
    return Findings(
        since=since,
        until=until,
        periods=periods,
        accuracy=await measure_accuracy(engine, settings.monitoring.accuracy_windows),
        drifts=sorted(drifts, key=lambda each: -each[1].photos),
        examples={name: await _examples(engine, store, wanted, since) for name, wanted in _KINDS.items()},
    )


async def _examples(
    engine: AsyncEngine, store: ObjectStore, wanted: Filter, since: datetime
) -> list[tuple[StoredPrediction, str]]:
    """The newest predictions of a kind with stored photos, with their thumbnails."""
    found = await transact(
        engine,
        lambda on: predictions.page(on, wanted, limit=SEARCHED_PREDICTIONS),
        patience_seconds=JOB_PATIENCE_SECONDS,
    )
    stored = [each for each in found if each.photo_key and each.created_at >= since]
    thumbnails = await asyncio.gather(*(asyncio.to_thread(_thumbnail, store, each) for each in stored[:EXAMPLES]))
    return [(each, thumbnail) for each, thumbnail in zip(stored, thumbnails, strict=False) if thumbnail]


def _thumbnail(store: ObjectStore, given: StoredPrediction) -> str:
    """A small JPEG as a data: URI; empty if the photo is gone or the store does not respond."""
    try:
        photo = shrink(store.get(DATA_LAKE, given.photo_key or ""), SIDE, quality=80)
    except DandelionError:
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(photo).decode()}"


def render(findings: Findings) -> str:
    """Render the report as HTML; text from users is escaped.

    Raises:
        DandelionError: A library for plots or templates is not installed.
    """
    try:
        from dandelion.files.templates import create_environment
        from dandelion.monitoring import plots

        periods = plots.plot_periods(findings.periods)
    except ImportError as error:
        raise DandelionError(f"The report needs {error.name}.", "pip install 'dandelion[all]'") from error
    template = create_environment("dandelion.monitoring").get_template("report.html.jinja")
    sections = [
        {
            "version": version,
            "photos": sketch.photos,
            "features": features,
            "drifted": names_of_drifted(features),
            "scores": plots.plot_scores(features),
            "spreads": plots.plot_spreads(sketch, _classes(findings), names_of_drifted(features)),
        }
        for version, sketch, features in findings.drifts
    ]
    return template.render(
        findings=findings,
        photos=sum(summary.photos for _, summary in findings.periods),
        out_of_distribution=sum(summary.strange for _, summary in findings.periods),
        labelled=sum(summary.labelled for _, summary in findings.periods),
        periods=periods,
        sections=sections,
        release=__version__,
    )


def _classes(findings: Findings) -> Sequence[str]:
    """Class names in the order of the model's outputs, from an example; empty if there is no example."""
    given = (prediction for examples in findings.examples.values() for prediction, _ in examples)
    return next((sorted(each.probabilities) for each in given), [])
