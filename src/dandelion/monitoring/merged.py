"""Monitoring over all processes: each process saves sketches of its photos, and an hourly run merges them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import add

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dandelion.concurrency.patience import JOB_PATIENCE_SECONDS
from dandelion.db import drift, transact
from dandelion.db.drift import SavedSketch
from dandelion.db.session import open_database
from dandelion.domain import MergedDrift
from dandelion.errors import DandelionError
from dandelion.monitoring.accuracy import WindowAccuracy, measure_accuracy
from dandelion.monitoring.drift import compare, names_of_drifted
from dandelion.monitoring.monitor import DriftMonitor
from dandelion.monitoring.sketch import Sketch
from dandelion.settings import Settings

RECENT = timedelta(hours=1)
# If the last hour has too few photos, older ones are added, up to this age.
OLDEST = timedelta(days=7)
RETENTION = timedelta(days=90)

log = structlog.get_logger(__name__)


class MonitoringRun(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one monitoring run, model by model; the model that was last in service comes first."""

    drift: list[MergedDrift]
    accuracy: list[WindowAccuracy]

    @property
    def drifted(self) -> list[str]:
        """Features that have drifted for the model that was last in service, largest score first."""
        return names_of_drifted(self.drift[0].features) if self.drift else []

    @property
    def message(self) -> str:
        """The result in a sentence or two."""
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
        """All metrics as Markdown tables."""
        drift = [
            f"| {each.version} | {found.feature} | {found.test} | {found.distance:.3f} | {found.threshold:.3f} "
            f"| {'**drifted**' if found.score >= 1 else 'as in training'} |"
            for each in self.drift
            for found in each.features
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
    """Save the sketches of a process since the last call; if the database is down, they are dropped."""
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
    """Merge the sketches of all processes, store the drift for `/metrics`, and delete results past their retention.

    Raises:
        DatabaseError: The database does not respond.
    """
    async with open_database(settings) as engine:
        now = datetime.now(UTC)
        saved = await transact(
            engine, lambda on: drift.sketches_since(on, now - OLDEST), patience_seconds=JOB_PATIENCE_SECONDS
        )
        found = merge(saved, now, settings.monitoring.drift_window_photos)

        async def store(on: AsyncConnection) -> None:
            for each in found:
                await drift.add_drift(on, each)
            await drift.prune(on, now - RETENTION)

        await transact(engine, store, patience_seconds=JOB_PATIENCE_SECONDS)
        return MonitoringRun(drift=found, accuracy=await measure_accuracy(engine, settings.monitoring.accuracy_windows))


def merge(saved: Sequence[SavedSketch], now: datetime, window_photos: int) -> list[MergedDrift]:
    """Every model's drift over the photos of the last hour, or of a full window if that is longer; newest first.

    The sketches come oldest first.
    """
    chosen: dict[tuple[str, str], list[SavedSketch]] = {}
    for each in reversed(saved):
        mine = chosen.setdefault((each.model_version, each.digest), [])
        if each.saved_at >= now - RECENT or sum(taken.photos for taken in mine) < window_photos:
            mine.append(each)
    found = []
    for (version, _), parts in chosen.items():
        sketch = reduce(add, (msgspec.convert(each.sketch, Sketch) for each in parts))
        if sketch.photos >= window_photos:
            found.append(MergedDrift(version=version, at=now, photos=sketch.photos, features=compare(sketch)))
    return found
