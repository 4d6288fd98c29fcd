"""Monitoring over all processes: each saves sketches of its photos, and once an hour somebody adds them up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dandelion.db import create_engine, drift, transact
from dandelion.db.drift import SavedSketch
from dandelion.domain import MergedDrift
from dandelion.errors import DandelionError
from dandelion.monitoring.accuracy import WindowAccuracy, measure_accuracy
from dandelion.monitoring.drift import compare
from dandelion.monitoring.monitor import DriftMonitor, sum_of
from dandelion.monitoring.sketch import Sketch
from dandelion.settings import Settings

PATIENCE_SECONDS = 30.0
RECENT = timedelta(hours=1)
# Where an hour brings too few photos, older ones are added, but none from before this.
OLDEST = timedelta(days=7)
KEPT = timedelta(days=90)

log = structlog.get_logger(__name__)


class MonitoringRun(msgspec.Struct, frozen=True, kw_only=True):
    """What one look over everything found.

    Attributes:
        drift: Model by model, the one that answered last first.
        accuracy: Live accuracy, version by version and window by window.
    """

    drift: list[MergedDrift]
    accuracy: list[WindowAccuracy]

    @property
    def drifted(self) -> list[str]:
        """Features of the model that answered last that have drifted, the farthest first."""
        return [each.feature for each in self.drift[0].features if each.score >= 1] if self.drift else []

    @property
    def message(self) -> str:
        """What was found, in a sentence or two."""
        if not self.drift:
            words = "No model has seen enough photos yet to be compared with training."
        else:
            newest = self.drift[0]
            words = f"{', '.join(self.drifted) or 'Nothing'} drifted over {newest.photos} photos of {newest.version}."
        if self.accuracy:
            best = max(self.accuracy, key=lambda each: each.labelled)
            words += (
                f" Version {best.version} was right on {best.accuracy:.1%} of {best.labelled} labels in {best.window} "
                f"({best.low:.1%} to {best.high:.1%})."
            )
        return words

    @property
    def tables(self) -> str:
        """Every figure, in Markdown."""
        drift = [
            f"| {each.version} | {figure.feature} | {figure.test} | {figure.distance:.3f} | {figure.threshold:.3f} "
            f"| {'**drifted**' if figure.score >= 1 else 'as in training'} |"
            for each in self.drift
            for figure in each.features
        ]
        accuracy = [
            f"| {each.version} | {each.window} | {each.labelled} "
            f"| {each.accuracy:.1%} | {each.low:.1%} to {each.high:.1%} |"
            for each in self.accuracy
        ]
        parts = [self.message]
        if drift:
            head = "| Version | Feature | Test | Distance | Threshold | |\n|---|---|---|---:|---:|---|"
            parts.append("\n".join([head, *drift]))
        if accuracy:
            head = "| Version | Window | Labels | Accuracy | 95 % interval |\n|---|---|---:|---:|---|"
            parts.append("\n".join([head, *accuracy]))
        return "\n\n".join(parts)


async def save_sketches(engine: AsyncEngine, monitor: DriftMonitor) -> None:
    """Keep what a process saw since the last time; what cannot be kept is let go, for the next hour will tell."""
    taken = [
        SavedSketch(ref.version, digest, sketch.photos, msgspec.to_builtins(sketch), datetime.now(UTC))
        for ref, digest, sketch in monitor.take()
    ]
    if not taken:
        return
    try:
        await transact(engine, lambda on: drift.add_sketches(on, taken), patience_seconds=0)
    except DandelionError as error:
        log.info("sketches_not_saved", photos=sum(each.photos for each in taken), reason=str(error))


async def run_monitoring(settings: Settings) -> MonitoringRun:
    """Look over all processes once, keep what was found for `/metrics`, and forget what is too old to matter.

    Raises:
        DatabaseError: The database does not answer.
    """
    engine = create_engine(settings)
    try:
        if settings.database.auto_upgrade:
            from dandelion.db.migrate import upgrade

            await upgrade(engine)
        now = datetime.now(UTC)
        saved = await transact(
            engine, lambda on: drift.sketches_since(on, now - OLDEST), patience_seconds=PATIENCE_SECONDS
        )
        found = merge(saved, now, settings.monitoring.drift_window_photos)

        async def keep(on: AsyncConnection) -> None:
            for each in found:
                features = msgspec.to_builtins(each.features)
                await drift.add_drift(on, model_version=each.version, photos=each.photos, features=features)
            await drift.prune(on, now - KEPT)

        await transact(engine, keep, patience_seconds=PATIENCE_SECONDS)
        return MonitoringRun(drift=found, accuracy=await measure_accuracy(engine, settings.monitoring.accuracy_windows))
    finally:
        await engine.dispose()


def merge(saved: Sequence[SavedSketch], now: datetime, window_photos: int) -> list[MergedDrift]:
    """Every model's drift over the photos of the last hour, or as many as a window has, newest first."""
    chosen: dict[tuple[str, str], list[SavedSketch]] = {}
    for each in sorted(saved, key=lambda sketch: sketch.saved_at, reverse=True):
        mine = chosen.setdefault((each.model_version, each.digest), [])
        if each.saved_at >= now - RECENT or sum(taken.photos for taken in mine) < window_photos:
            mine.append(each)
    found = []
    for (version, _), parts in chosen.items():
        sketch = sum_of([msgspec.convert(each.sketch, Sketch) for each in parts])
        if sketch.photos >= window_photos:
            found.append(MergedDrift(version=version, at=now, photos=sketch.photos, features=compare(sketch)))
    return found
