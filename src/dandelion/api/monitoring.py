"""`GET /accuracy` and `GET /drift`: how well the model does on live photos."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request, get

from dandelion.api.access import needs
from dandelion.api.database import transact
from dandelion.api.problems import documented
from dandelion.db import drift
from dandelion.domain import Drift
from dandelion.inference.service import PredictionService
from dandelion.monitoring import MERGED_FOR, DriftMonitor, WindowAccuracy, measure_accuracy


class Accuracies(msgspec.Struct, kw_only=True):
    """Accuracy of every version with labels, window by window."""

    windows: list[WindowAccuracy]


@get(
    "/accuracy",
    opt=needs("read"),
    summary="Live accuracy",
    responses=documented({503: "The database does not answer"}),
)
async def get_accuracy(request: Request[Any, Any, Any]) -> Accuracies:
    """Accuracy from feedback with its 95 % interval; a window counts the labels given within it."""
    state = request.app.state
    await state.journal.prepare()
    return Accuracies(windows=await measure_accuracy(state.engine, state.settings.monitoring.accuracy_windows))


@get(
    "/drift",
    opt=needs("read"),
    summary="Drift of live photos from training",
    responses=documented({503: "No model is loaded yet, or the database does not answer"}),
)
async def get_drift(request: Request[Any, Any, Any]) -> Drift:
    """Return the drift of this process's latest photos, and of all processes' as hourly monitoring measured it."""
    service: PredictionService = request.app.state.service
    monitor: DriftMonitor = request.app.state.monitor
    version = service.serving.ref.version
    seen = monitor.features()
    features = seen[1] if seen is not None and seen[0].version == version else []
    since = datetime.now(UTC) - MERGED_FOR
    return Drift(
        version=version,
        photos=features[0].photos if features else 0,
        features=features,
        merged=await transact(request, lambda on: drift.last_drift(on, since)),
    )
